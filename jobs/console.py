"""Where a command's words go: people read the terminal, programs the last line of stdout.

With --json, stdout holds JSON lines only and its last line is the command's result; everything said
to people goes to stderr. Without it, stdout holds the words, and stderr the errors.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from jobs.cli.errors import explain

_JSON, _DEBUG = "gleaner.json", "gleaner.debug"


def _remember_json(context: typer.Context, value: bool) -> bool:
    context.meta[_JSON] = value  # meta is shared by all contexts of one command line
    return value


def _remember_debug(context: typer.Context, value: bool) -> bool:
    context.meta[_DEBUG] = value
    return value


JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The job file, e.g. job.yaml.")]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", callback=_remember_json, help="End stdout with one JSON object, for programs."
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", callback=_remember_debug, help="Show where an error comes from.")
]


class Out:
    """The voice of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        # Consoles are made per command: tests and pipes replace sys.stdout.
        self.people = Console(stderr=as_json, highlight=False, soft_wrap=True)

    def say(self, line: str, style: str | None = None) -> None:
        """A line for people; never read as markup."""
        self.people.print(Text(line, style=style or ""))

    def result(self, fields: Mapping[str, Any]) -> None:
        """What the command found, for programs; silent without --json."""
        if self.as_json:
            print_json(fields)


def print_json(fields: Mapping[str, Any]) -> None:
    """One JSON line on stdout."""
    print(json.dumps(fields, default=str), flush=True)


class ReportingGroup(TyperGroup):
    """Turns every error of a command into a red line, its way out and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; nothing but an exit leaves here."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise
        except (Exception, KeyboardInterrupt) as error:
            explained = explain(error)
            if ctx.meta.get(_DEBUG):
                traceback.print_exception(error, file=sys.stderr)
            people = Console(stderr=True, highlight=False, soft_wrap=True)
            for line in explained.lines:
                people.print(Text(line, style="bold red"))
            if ctx.meta.get(_JSON):
                print_json({"errors": list(explained.lines), "exit_code": int(explained.exit_code)})
            raise typer.Exit(int(explained.exit_code)) from error
