"""Each large library is spoken to in the files that say so, and nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUIETS = "jobs/ray_session.py"  # sets the loggers of Ray's libraries
RULES = {
    "ray.data": {"pipeline/dataset.py", QUIETS},
    "ray.serve": {"pipeline/serving.py", QUIETS},
    "vllm": {
        "pipeline/vllm_engine.py",
        "pipeline/vllm_settings.py",
        "jobs/schema_engine.py",  # asks whether the engine can compile a schema
        "jobs/demo/evaluate.py",
    },
    "boto3": {"infra/s3.py"},
    "transformers": {
        "pipeline/tokens.py",
        *(
            f"jobs/demo/{name}.py"
            for name in ("batches", "drills", "examples", "score", "sizes", "tokenizer", "train")
        ),
    },
    "httpx": {"infra/spot/sources/metadata.py"},
    "ray._private": {"infra/spot/ray_nodes.py"},
    "ray._raylet": {"infra/spot/ray_nodes.py"},
    "pypdfium2": {"pipeline/loaders/pdf.py"},
}


def imported(file: Path) -> Iterator[str]:
    """Every module that a file imports, `a.b` also for `from a import b`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("library", RULES)
def test_a_library_is_imported_where_it_belongs(library: str) -> None:
    found = {
        str(file.relative_to(ROOT))
        for package in ("pipeline", "checkpoints", "infra", "jobs")
        for file in (ROOT / package).rglob("*.py")
        if any(f"{name}.".startswith(f"{library}.") for name in imported(file))
    }
    assert found <= RULES[library]
    assert found, "the rule names a library that nobody imports"
