"""Each large library is spoken to in the files that say so, and nowhere else."""

import ast
import gc
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUIETS = "jobs/ray_session.py"  # sets the loggers of Ray's libraries
RULES = {
    "ray.data": {"pipeline/dataset.py", QUIETS},
    "ray.serve": {"pipeline/engines/serving.py", QUIETS},
    "vllm": {
        "pipeline/engines/vllm_engine.py",
        "pipeline/engines/vllm_settings.py",
        "jobs/schema_engine.py",  # asks whether the engine can compile a schema
        "jobs/demo/evaluate.py",
    },
    "boto3": {"infra/s3.py"},
    "transformers": {
        "pipeline/preparing/tokens.py",
        *(
            f"jobs/demo/{name}.py"
            for name in ("batches", "drills", "examples", "score", "sizes", "tokenizer", "train")
        ),
    },
    "httpx": {"infra/spot/sources/metadata.py"},
    "ray._private": {"infra/spot/ray_nodes.py"},
    "ray._raylet": {"infra/spot/ray_nodes.py"},
    "py3langid": {"pipeline/routing/language.py"},
    "matplotlib": {"jobs/report/drawing.py"},
    "rapidfuzz": {"pipeline/certification/agreement.py"},
    "sklearn": {"pipeline/certification/scoring.py", "pipeline/certification/skipping.py"},
    "pypdfium2": {"pipeline/loaders/pdf.py"},
}


@cache
def imported(file: Path) -> frozenset[str]:
    """Every module that a file imports, `a.b` also for `from a import b`."""
    found: set[str] = set()
    for node in ast.walk(_parsed(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def _parsed(text: str) -> ast.Module:
    """Without collecting garbage meanwhile: a traceback that a dying object of an earlier test
    has formatted then is parsed inside this parse, which Python 3.11 does not bear (gh-106905)."""
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        gc.enable()


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
