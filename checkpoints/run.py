"""A run's identity: run.json, created once; the same fingerprint attaches, another one is
refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkpoints import keys
from checkpoints.commit import Outcome, create_once
from checkpoints.encoding import Json, canonical_json, digest, parse_object
from checkpoints.errors import ChangedRunError, CorruptObjectError
from checkpoints.store import Store

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What decides a run's results: `parts` maps names to digests, `value` covers all of them."""

    value: str
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The content of run.json."""

    run_id: str
    name: str
    fingerprint: Fingerprint
    spec: Mapping[str, Json]
    output_uri: str
    created_unix_s: float
    format_version: int = FORMAT_VERSION


def fingerprint(parts: Mapping[str, Json]) -> Fingerprint:
    """The fingerprint of named parts, e.g. {"task.prompt": "...", "tiers[0].sampling": {...}}.

    A part's name is what a person reads when it changed, so name it as the spec's field.
    """
    digests = {name: digest(canonical_json(value)) for name, value in sorted(parts.items())}
    return Fingerprint(digest(canonical_json(digests)), digests)


def changed_parts(old: Fingerprint, new: Fingerprint) -> tuple[str, ...]:
    """The names of the parts that differ, were added or were removed; sorted."""
    names = set(old.parts) | set(new.parts)
    return tuple(sorted(name for name in names if old.parts.get(name) != new.parts.get(name)))


def open_run(store: Store, record: RunRecord) -> RunRecord:
    """Create run.json under `checkpoint`, or attach to the run that is there.

    Gives the stored record: on attaching the first submit's run_id, name and spec. Raises
    ChangedRunError (another fingerprint), NewerFormatError, CorruptObjectError, UnknownWriteError.
    """
    if create_once(store, keys.RUN, _encode(record)) is Outcome.OURS:
        return record
    stored = _decode(store.read(keys.RUN))
    if stored.fingerprint.value != record.fingerprint.value:
        changed = changed_parts(stored.fingerprint, record.fingerprint)
        raise ChangedRunError(
            f"the checkpoint holds run {stored.run_id} ({stored.name}) of other work; changed: "
            f"{', '.join(changed)}. Undo the change to resume that run, or give the new work an "
            "output and a checkpoint of its own",
            changed,
        )
    return stored


def bind_output(output: Store, run: RunRecord, output_uri: str) -> None:
    """Make `output` the place of this run's results, for good.

    Without it, results of another run there would count as this run's finished shards.
    Raises ChangedRunError when the output is another run's, or the run's output is elsewhere.
    """
    if run.output_uri != output_uri:
        raise ChangedRunError(
            f"the checkpoint holds run {run.run_id}, whose output is {run.output_uri}, not "
            f"{output_uri}: keep that output, or give the job another checkpoint",
            ("output",),
        )
    binding = canonical_json({"format_version": FORMAT_VERSION, "run_id": run.run_id})
    try:
        stored = output.read(keys.BINDING)
    except FileNotFoundError:
        if next(iter(output.list(keys.RESULTS)), None) is not None:
            raise ChangedRunError(
                f"{output_uri} holds results that belong to no known run: use another output, or "
                "remove them",
                ("output",),
            ) from None
        if create_once(output, keys.BINDING, binding) is Outcome.OURS:
            return
        stored = output.read(keys.BINDING)
    if stored != binding:
        raise ChangedRunError(
            f"{output_uri} holds the results of another run: use another output, or the checkpoint "
            "that belongs to it",
            ("output",),
        )


def read_run(store: Store) -> RunRecord | None:
    """The stored record; None where no run was ever opened. Errors as `open_run`."""
    try:
        data = store.read(keys.RUN)
    except FileNotFoundError:
        return None
    return _decode(data)


def _encode(record: RunRecord) -> bytes:
    return canonical_json(
        {
            "format_version": record.format_version,
            "run_id": record.run_id,
            "name": record.name,
            "fingerprint": record.fingerprint.value,
            "fingerprint_parts": dict(record.fingerprint.parts),
            "spec": record.spec,
            "output_uri": record.output_uri,
            "created_unix_s": record.created_unix_s,
        }
    )


def _decode(data: bytes) -> RunRecord:
    value: dict[str, Any] = parse_object(keys.RUN, data, newest_format=FORMAT_VERSION)
    try:
        return RunRecord(
            run_id=value["run_id"],
            name=value["name"],
            fingerprint=Fingerprint(value["fingerprint"], value["fingerprint_parts"]),
            spec=value["spec"],
            output_uri=value["output_uri"],
            created_unix_s=value["created_unix_s"],
            format_version=value["format_version"],
        )
    except KeyError as error:
        raise CorruptObjectError(f"{keys.RUN} lacks {error}") from error
