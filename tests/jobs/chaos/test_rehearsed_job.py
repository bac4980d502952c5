"""What a rehearsal makes of a job: other places and engines, the same work."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.chaos.rehearsed_job import bundled_job, set_aside, users_job, write_rehearsed
from jobs.spec.file import load_spec
from jobs.wiring import build_job, identity_of

USERS = """
name: mine
input: {uri: docs, limit: 50}
task: {prompt: 'What is ${KIND:-it}? {{ text }}'}
tiers:
  - {name: a, model: org/a, accelerator: L4}
  - {name: b, model: org/b, accelerator: H100, replicas: {max: 8}}
route: b
output: precious
checkpoint: precious-too
"""


def users(folder: Path, text: str = USERS) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text)
    return file


def placed(folder: Path, place: str) -> Path:
    """The same job, with its second tier placed so."""
    given = "accelerator: H100, replicas: {max: 8}"
    assert given in USERS
    return users(folder, USERS.replace(given, place))


def test_a_users_results_are_never_where_a_rehearsal_writes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    spec = users_job(users(tmp_path), documents=None)
    rehearsed = load_spec(write_rehearsed(spec, out, nodes=3))
    assert (rehearsed.output, rehearsed.checkpoint) == (f"{out}/output", f"{out}/checkpoint")
    assert rehearsed.input.uri == (str(tmp_path / "docs"),)


def test_the_rehearsed_work_is_the_users_own(tmp_path: Path) -> None:
    spec = users_job(users(tmp_path), documents=None)
    rehearsed = load_spec(write_rehearsed(spec, tmp_path, nodes=3))
    assert identity_of(rehearsed) == identity_of(spec)
    assert rehearsed.chosen_tier.name == "b"


def test_every_node_has_room_for_one_engine(tmp_path: Path) -> None:
    spec = users_job(users(tmp_path), documents=None)
    tier = load_spec(write_rehearsed(spec, tmp_path, nodes=5)).chosen_tier
    assert (tier.accelerator, tier.num_gpus, tier.num_cpus) == (None, 1.0, 1.0)
    assert tier.replicas.max == 5


@pytest.mark.parametrize(
    ("place", "fields"),
    [
        ("accelerator: H100", ("tiers.b.accelerator",)),
        ("nodes: [{market: on-demand}, {zone: z-1}]", ("tiers.b.nodes",)),
        ("nodes: [{accelerator: L4}]", ("tiers.b.nodes",)),
        ("nodes: [{labels: {team: blue}}]", ("tiers.b.nodes",)),
        ("replicas: {max: 8, on_demand: 2}", ("tiers.b.replicas.on_demand",)),
        ("replicas: {max: 8}", ()),
    ],
)
def test_where_engines_run_is_set_aside_and_named(
    tmp_path: Path, place: str, fields: tuple[str, ...]
) -> None:
    spec = users_job(placed(tmp_path, place), documents=None)
    assert set_aside(spec) == fields
    rehearsed = load_spec(write_rehearsed(spec, tmp_path, nodes=3))
    assert set_aside(rehearsed) == ()
    assert not build_job(rehearsed).tiers[0].placement.groups
    assert rehearsed.chosen_tier.replicas.on_demand == 0


def test_the_bundled_job_sets_nothing_aside(tmp_path: Path) -> None:
    assert set_aside(bundled_job(tmp_path, documents=1, seed=1)) == ()


def test_fewer_documents_may_be_asked_for_but_not_more_than_the_job_has(tmp_path: Path) -> None:
    assert users_job(users(tmp_path), documents=20).input.limit == 20
    assert users_job(users(tmp_path), documents=500).input.limit == 50


def test_the_bundled_job_has_so_many_documents(tmp_path: Path) -> None:
    spec = bundled_job(tmp_path, documents=12, seed=1)
    rows = (tmp_path / "documents/rows.jsonl").read_text().splitlines()
    assert len(rows) == 12
    assert spec.task.output.type == "text"  # only free text is continued in the middle
