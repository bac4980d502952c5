"""The proof: sound runs pass, and every way of losing, repeating or faking a row is seen."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from checkpoints import keys
from checkpoints.errors import NoRunError
from checkpoints.memory_store import MemoryStore
from checkpoints.result import ResultRow
from checkpoints.verify import Verdict, verify
from tests.checkpoints.checkpoint_builders import one_slice, planned, result_object, rows_of


class Run:
    """Three shards (3, 4 and 2 documents), one planned duplicate, all committed."""

    def __init__(self) -> None:
        self.output, self.checkpoint = MemoryStore(), MemoryStore()
        slices = [
            [one_slice("a.jsonl", 3)],
            [one_slice("b.jsonl", 1), one_slice("c.jsonl", 3, first_row=10)],
            [one_slice("d.pdf", 1), one_slice("e.pdf", 1)],
        ]
        self.header, self.shards = planned(self.checkpoint, slices, [(1, 2)])
        self.rows = [rows_of(shard, bad={0} if shard.number == 2 else ()) for shard in self.shards]
        for shard in self.shards:
            self.put(shard.number, result_object(shard.number, self.rows[shard.number]))

    def put(self, shard: int, data: bytes) -> None:
        self.output.replace(keys.result_key(shard), data)

    def put_raw(self, shard: int, change: Callable[[pa.Table], pa.Table]) -> None:
        """Bypass the encoder's checks, as a buggy or foreign writer would."""
        table = pq.read_table(pa.BufferReader(self.output.read(keys.result_key(shard))))
        sink = pa.BufferOutputStream()
        pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), sink)
        self.put(shard, sink.getvalue().to_pybytes())

    def put_rows(
        self, shard: int, change: Callable[[list[ResultRow]], Sequence[ResultRow]]
    ) -> None:
        self.put(shard, result_object(shard, change([*self.rows[shard]])))

    def verify(self) -> Verdict:
        return verify(self.output, self.checkpoint)


def test_a_complete_run_is_proven() -> None:
    verdict = Run().verify()
    assert verdict.proven
    assert verdict.line() == "9 documents: 7 ok, 2 error, 0 missing, 0 duplicate"
    assert sum(times for _, times in verdict.error_codes) == 2
    assert all(code for code, _ in verdict.error_codes)


def test_progress_reaches_the_end() -> None:
    run = Run()
    seen: list[tuple[int, int]] = []
    verify(run.output, run.checkpoint, on_progress=lambda *now: seen.append(now))
    assert seen[-1] == (3, 3)


def test_little_memory_gives_the_same_verdict() -> None:
    run = Run()
    assert verify(run.output, run.checkpoint, memory_bytes=50) == run.verify()


def test_a_missing_object_is_missing_documents() -> None:
    run = Run()
    run.output.delete([keys.result_key(1)])
    verdict = run.verify()
    assert not verdict.proven
    assert verdict.line() == "9 documents: 4 ok, 1 error, 4 missing, 0 duplicate"
    assert verdict.problems == ("results/shard-00000001.parquet is missing",)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"x" * 500])
def test_an_unreadable_object_is_missing_documents(data: bytes) -> None:
    run = Run()
    run.put(0, data)
    verdict = run.verify()
    assert verdict.missing == 3
    assert "shard-00000000.parquet" in verdict.problems[0]
    assert "unreadable" in verdict.problems[0]


def test_a_damaged_row_group_is_missing_documents() -> None:
    run = Run()
    data = bytearray(run.output.read(keys.result_key(0)))
    data[4:600] = bytes(596)
    run.put(0, bytes(data))
    assert run.verify().missing == 3


def test_a_lost_row_is_missing() -> None:
    run = Run()
    run.put_raw(1, lambda table: table.slice(1))
    assert run.verify().missing == 1


def test_a_repeated_row_is_a_duplicate() -> None:
    run = Run()
    run.put_raw(0, lambda table: pa.concat_tables([table, table.slice(1, 1)]))
    verdict = run.verify()
    assert (verdict.missing, verdict.duplicate, verdict.extra) == (0, 1, 0)
    assert verdict.ok == 7


def test_a_row_of_no_document_is_extra() -> None:
    run = Run()

    def add(table: pa.Table) -> pa.Table:
        more = table.slice(0, 1).set_column(0, "ordinal", pa.array([3], pa.int64()))
        return pa.concat_tables([table, more])

    run.put_raw(0, add)
    verdict = run.verify()
    assert verdict.extra == 1
    assert verdict.line().endswith("0 missing, 0 duplicate, 1 extra")


def test_an_object_of_no_shard_is_extra() -> None:
    run = Run()
    run.output.create(keys.result_key(3), run.output.read(keys.result_key(1)))
    run.output.create("results/readme.txt", b"hello")
    verdict = run.verify()
    assert verdict.extra == 4 + 1
    assert not verdict.proven


def test_an_id_that_occurs_twice_is_a_duplicate() -> None:
    run = Run()
    run.put_rows(2, lambda rows: [rows[0], replace(rows[1], id=run.rows[0][1].id)])
    verdict = run.verify()
    assert verdict.duplicate == 1
    assert verdict.problems == (
        "results/shard-00000002.parquet: the id of ordinal 1 occurs before and the row is not "
        "marked duplicate_id",
    )


def test_a_planned_duplicate_may_share_its_id() -> None:
    run = Run()
    shared = run.rows[0][0].id
    run.put_rows(1, lambda rows: [*rows[:2], replace(rows[2], id=shared), rows[3]])
    assert run.verify().proven


def test_a_document_wrongly_set_aside_as_duplicate_is_seen() -> None:
    run = Run()
    false = {"status": "error", "result": None, "error_code": "duplicate_id", "error": "?"}
    run.put_rows(0, lambda rows: [replace(rows[0], **false), *rows[1:]])
    assert "duplicate_id are not those of the plan" in run.verify().problems[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"fingerprint": "other"}, "another fingerprint"),
        ({"source": "z.jsonl"}, "source"),
        ({"source_row": 2}, "source"),
        ({"error_code": "odd"}, "error codes do not fit"),
    ],
)
def test_a_row_that_is_not_the_planned_one_is_a_problem(
    change: dict[str, object], named: str
) -> None:
    run = Run()
    run.put_rows(0, lambda rows: [replace(rows[0], **change), *rows[1:]])  # type: ignore[arg-type]
    verdict = run.verify()
    assert not verdict.proven
    assert named in verdict.problems[0]


def test_an_object_under_another_shards_name_is_a_problem() -> None:
    run = Run()
    run.put(0, run.output.read(keys.result_key(1)))
    verdict = run.verify()
    assert not verdict.proven
    assert any("it says that it is shard 1" in problem for problem in verdict.problems)


def test_an_object_of_another_run_is_a_problem() -> None:
    run = Run()
    run.put(0, result_object(0, run.rows[0], fingerprint="other"))
    assert "another fingerprint" in run.verify().problems[0]


def test_many_problems_are_counted_and_a_few_named() -> None:
    output, checkpoint = MemoryStore(), MemoryStore()
    planned(checkpoint, [[one_slice(f"{n}", 1)] for n in range(50)])
    verdict = verify(output, checkpoint)
    assert verdict.missing == 50
    assert len(verdict.problems) == 21
    assert verdict.problems[-1] == "and 30 more problems"


def test_where_nothing_was_planned_there_is_nothing_to_prove() -> None:
    with pytest.raises(NoRunError, match="checkpoint URI"):
        verify(MemoryStore(), MemoryStore())


def test_a_store_that_fails_is_no_verdict() -> None:
    run = Run()

    class Down(MemoryStore):
        def read(self, key: str) -> bytes:
            raise ConnectionError("down")

    down = Down()
    down._objects = run.output._objects
    with pytest.raises(ConnectionError):
        verify(down, run.checkpoint)
