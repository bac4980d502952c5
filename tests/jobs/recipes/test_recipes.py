"""Recipes are valid as they are, and each runs on documents with a real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.exit_codes import Exit
from jobs.recipes.recipe import Recipe, recipes
from jobs.spec.file import load_spec
from jobs.wiring import build_job
from tests.flows.flow import ROOT
from tests.jobs.recipes.run_recipes import COUNT

ALL = recipes()


def named(recipe: Recipe) -> str:
    return recipe.name


@pytest.mark.parametrize("recipe", ALL, ids=named)
def test_a_recipe_is_a_valid_job_as_it_is_written(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    made = CliRunner().invoke(app, ["init", str(path), "--recipe", recipe.name])
    assert made.exit_code == Exit.DONE, made.stderr
    assert path.read_text() == recipe.text
    job = build_job(load_spec(path))
    assert job.tiers[0].placement.usd_per_hour > 0
    assert recipe.purpose.endswith(".")


def test_recipes_are_listed_and_one_that_is_not_there_names_them(tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["init", "--list"])
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [one.name for one in ALL]
    path = tmp_path / "job.yaml"
    refused = CliRunner().invoke(app, ["init", str(path), "--recipe", "clasify"])
    assert refused.exit_code == Exit.BAD_USAGE
    assert f"choose one of: {', '.join(one.name for one in ALL)}" in refused.stderr
    assert not path.exists()


@pytest.mark.flow
@pytest.mark.timeout(600)
def test_every_recipe_runs_and_gives_what_it_promises(tmp_path: Path) -> None:
    """The bundled model knows none of these tasks: what it must keep is the form of the answer."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.jobs.recipes.run_recipes", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=500,
    )
    [line] = [line for line in made.stdout.splitlines() if line.startswith('{"recipes"')]
    found: dict[str, list[list[Any]]] = json.loads(line)["recipes"]
    assert found.keys() == {recipe.name for recipe in ALL}
    for recipe in ALL:
        rows, output = found[recipe.name], yaml.safe_load(recipe.text)["task"]["output"]
        assert len(rows) == COUNT
        codes = {code for _, _, code, _ in rows} - {None}
        assert codes <= {"output_truncated"}, (recipe.name, rows)
        for status, result, _, _ in rows:
            if status != "ok":
                continue
            if output["type"] == "label":
                assert result in output["labels"]
            elif output["type"] == "json":
                jsonschema.validate(json.loads(result), output["schema"])
    assert all(row[0] == "ok" for row in found["classify"])
