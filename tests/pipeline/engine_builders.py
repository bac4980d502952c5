"""Tiers, work, documents, planned runs and fake engines, as tests of the engine side want them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from checkpoints.memory_store import MemoryStore
from checkpoints.plan import PlanHeader, Slice, write_plan
from checkpoints.result import Confidence, ResultRow
from checkpoints.run import RunRecord, fingerprint, open_run
from checkpoints.store import Store
from pipeline.documents import Prepared
from pipeline.engines.engine import Completion, EngineDeadError, FinishReason, Parts, Request
from pipeline.engines.fake_engine import FakeEngine
from pipeline.engines.losses import EngineLostError
from pipeline.engines.tiers import EngineProfile, Generation, Placement, Tier
from pipeline.failures import Failure
from pipeline.outputs import FreeText
from pipeline.preparing.prompts import Prompt
from pipeline.progress import Counts, ErrorExample, Post
from pipeline.routing.route import Route
from pipeline.work import Work

POISON = 666
FINGERPRINT = fingerprint({"test": "engine side"})
SOURCE = "memory://documents.jsonl"


def tier(name: str = "small", **changes: object) -> Tier:
    """A tier at 3.60 USD per hour whose engines decode 4 sequences together."""
    made = Tier(
        name=name,
        model=f"/models/{name}",
        revision=None,
        prompt=Prompt(None, "{{ text }}"),
        profile=EngineProfile(
            max_model_len=256,
            max_num_seqs=4,
            max_num_batched_tokens=512,
            dtype="bfloat16",
            gpu_memory_utilization=0.9,
            tensor_parallel_size=1,
            quantization=None,
            enforce_eager=True,
            enable_prefix_caching=False,
        ),
        placement=Placement(
            num_cpus=1,
            num_gpus=0,
            accelerator=None,
            max_replicas=2,
            usd_per_hour=3.6,
        ),
        generation=Generation(
            max_tokens=16,
            temperature=0.0,
            top_p=1.0,
            seed=None,
            stop=(),
            json_schema=None,
            choices=(),
            has_confidence=True,
            timeout_s=None,
        ),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def no_store() -> Store:
    raise AssertionError("tests hand their stores to the coordinator")


def work(**changes: object) -> Work:
    made = Work(
        run_id="run",
        fingerprint=FINGERPRINT.value,
        tiers=(tier(),),
        route=Route(tuple(one.name for one in changes.get("tiers", (tier(),)))),  # type: ignore[attr-defined]
        has_several_tiers=len(changes.get("tiers", ())) > 1,  # type: ignore[arg-type]
        output_format=FreeText(),
        passthrough=(),
        open_output=no_store,
        open_checkpoint=no_store,
        fence_token=1,
        coordinators=1,
        shards_in_flight=4,
        chunk_size=4,
        max_engine_deaths=3,
        flush_s=2.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def document(
    ordinal: int,
    *,
    shard: int = 0,
    tiers: Sequence[str] = ("small",),
    is_poison: bool = False,
    failure: Failure | None = None,
) -> Prepared:
    """Its prompt is (shard, ordinal), so that its answer tells whose it is."""
    prompt = (shard, ordinal, POISON) if is_poison else (shard, ordinal)
    return Prepared(
        ordinal=ordinal,
        id=f"id-{shard}-{ordinal}",
        source=SOURCE,
        source_row=1000 * shard + ordinal,
        passthrough=(),
        prompts={} if failure else dict.fromkeys(tiers, prompt),
        failure=failure,
    )


def documents(count: int, *, shard: int = 0, poison: Sequence[int] = ()) -> list[Prepared]:
    return [document(n, shard=shard, is_poison=n in poison) for n in range(count)]


def answer_of(request: Request) -> str:
    """Different for every request."""
    return "answer " + ".".join(str(token) for token in request.prompt_tokens)


def result_of(ordinal: int, shard: int = 0) -> str:
    """What `document(ordinal, shard=shard)` must end with."""
    return f"answer {shard}.{ordinal}"


def row(ordinal: int, **changes: object) -> ResultRow:
    made = ResultRow(
        ordinal=ordinal,
        id=f"id-0-{ordinal}",
        status="ok",
        result=result_of(ordinal),
        error_code=None,
        error=None,
        tier="small",
        finish_reason="stop",
        prompt_tokens=2,
        output_tokens=3,
        confidence=Confidence(-0.1, -0.5, -0.4, 0.9, 3),
        engine_s=1.0,
        cost_usd=0.25,
        fingerprint=FINGERPRINT.value,
        source=SOURCE,
        source_row=ordinal,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def error_row(ordinal: int, code: str = "timeout") -> ResultRow:
    return row(ordinal, status="error", result=None, error_code=code, error="why")


def completion(text: str = "yes", **changes: object) -> Completion:
    made = Completion(
        request_id="0.0.small",
        text=text,
        finish_reason=FinishReason.STOP,
        prompt_tokens=10,
        output_tokens=2,
        confidence=Confidence(-0.1, -0.5, -0.4, 0.9, 2),
        engine_s=8.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def all_of(parts: Parts) -> list[Completion]:
    """Every completion of a call, in the order in which they came."""
    return [completion async for part in parts for completion in part]


def plan(checkpoint: Store, sizes: Sequence[int]) -> PlanHeader:
    """A run with a sealed plan: shard n has sizes[n] documents, as `documents` makes them."""
    record = RunRecord("run", "test", FINGERPRINT, {}, "memory://output", 0.0)
    open_run(checkpoint, record)
    return write_plan(
        checkpoint,
        [
            [Slice(SOURCE, "jsonl", 0, 1, 1000 * shard, size, 1, "v1", size)]
            for shard, size in enumerate(sizes)
        ],
    )


def planned_stores(*sizes: int) -> tuple[MemoryStore, MemoryStore]:
    """(output, checkpoint) of a planned run."""
    output, checkpoint = MemoryStore(), MemoryStore()
    plan(checkpoint, sizes)
    return output, checkpoint


@dataclass(slots=True)
class Fleet:
    """Fake engines behind a `Send`; one that died is replaced, as Serve would do it."""

    engines: int = 1
    delay_s: Callable[[], float] = lambda: 1.0
    is_lost: Callable[[], bool] = lambda: False  # asked before a chunk and before each half of it
    answer: Callable[[Request], str] = answer_of
    served: list[str] = field(default_factory=list)  # request ids, once per generation
    sent: list[tuple[str, ...]] = field(default_factory=list)  # request ids of every chunk
    deaths: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    _up: list[FakeEngine] = field(default_factory=list)

    async def send(self, requests: Sequence[Request]) -> Parts:
        self.sent.append(tuple(request.id for request in requests))
        self.in_flight += len(requests)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            async for part in self._generate(requests):
                yield part
        finally:
            self.in_flight -= len(requests)

    async def _generate(self, requests: Sequence[Request]) -> Parts:
        while len(self._up) < self.engines:
            self._up.append(self._fresh())
        engine = self._up[len(self.sent) % self.engines]
        if self.is_lost():
            raise EngineLostError("the node went before the work came")
        yield []
        try:
            await asyncio.sleep(self.delay_s())
            completions = await all_of(engine.generate(requests))
        except EngineDeadError:
            if engine in self._up:
                self._up.remove(engine)
                self.deaths += 1
            raise
        half = len(completions) // 2
        for part in (completions[half:], completions[:half]):
            if self.is_lost():
                raise EngineLostError("the node went before this part came")
            yield part

    def kill(self) -> None:
        """The engine that is up dies of nobody's doing."""
        self._up[0].is_dead = True

    def _fresh(self) -> FakeEngine:
        return FakeEngine(answer=self.answer, poison_token=POISON, served=self.served)


def post(
    coordinator: str,
    shards: Mapping[int, Counts],
    examples: Sequence[ErrorExample] = (),
    *,
    unsaved: int = 0,
    has_flushed: bool = False,
) -> Post:
    """What a coordinator tells its board."""
    return Post(coordinator, shards, unsaved, examples, has_flushed)
