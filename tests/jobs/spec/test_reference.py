"""The reference of the job file is that of this version, and leaves nothing out."""

from __future__ import annotations

from pathlib import Path

from jobs.example import editor_schema
from jobs.spec.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "job_file.md"


def test_the_page_in_docs_is_that_of_this_version() -> None:
    assert PAGE.read_text() == reference(editor_schema()), (
        "make it anew: gleaner schema --markdown > docs/job_file.md"
    )


def test_every_field_of_every_part_is_in_it_with_its_documentation() -> None:
    schema = editor_schema()
    page = reference(schema)
    parts = [schema, *(part for part in schema["$defs"].values() if "properties" in part)]
    assert len(parts) > 15
    for part in parts:
        for name, field in part["properties"].items():
            assert f"| `{name}` |" in page
            if name != "type":
                assert " ".join(field["description"].split()).replace("|", "\\|") in page
    links = {line.split("](#")[1].split(")")[0] for line in page.splitlines() if "](#" in line}
    heads = {line[3:].lower() for line in page.splitlines() if line.startswith("## ")}
    assert links <= heads
