"""The recipes: job files that are valid as they are, each for one common task.

Boundary: reads the files beside it. A recipe's first line says what it makes, its name is that of
its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from jobs.cli.errors import CommandError
from jobs.exit_codes import Exit


@dataclass(frozen=True, slots=True)
class Recipe:
    """One ready job file."""

    name: str
    purpose: str
    text: str


def recipes() -> tuple[Recipe, ...]:
    """All of them, by name."""
    found = []
    for file in files("jobs.recipes").iterdir():
        name, _, kind = file.name.rpartition(".")
        if kind == "yaml":
            text = file.read_text(encoding="utf-8")
            purpose = text.partition("\n")[0].partition(": ")[2]
            found.append(Recipe(name, purpose, text))
    return tuple(sorted(found, key=lambda recipe: recipe.name))


def recipe_named(name: str) -> Recipe:
    """The recipe of this name; CommandError names those that there are."""
    found = {recipe.name: recipe for recipe in recipes()}
    if name not in found:
        raise CommandError(
            f"there is no recipe {name!r}", f"choose one of: {', '.join(found)}", Exit.BAD_USAGE
        )
    return found[name]
