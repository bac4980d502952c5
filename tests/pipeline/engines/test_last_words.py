"""The reason why an engine did not start is found in its log."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engines.last_words import cause_of_start

LOG = """
(EngineCore pid=13542) ERROR 11-21 12:55:14 [core.py:1510] EngineCore failed to start.
(EngineCore pid=13542) ERROR 11-21 12:55:14 [core.py:1510] Traceback (most recent call last):
(EngineCore pid=13542) ERROR 11-21 12:55:14 [core.py:1510]     raise RuntimeError(
(EngineCore pid=13542) ERROR 11-21 12:55:14 [core.py:1510] RuntimeError: Cannot find any weights
    raise RuntimeError(
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


def test_the_cause_is_what_the_engine_process_said() -> None:
    assert cause_of_start(LOG) == "RuntimeError: Cannot find any weights"


def test_a_process_that_only_reports_another_is_no_cause() -> None:
    worker = LOG.replace("EngineCore pid=13542", "Worker_TP1 pid=7") + (
        "(EngineCore pid=3) ERROR [core.py:1] Exception: WorkerProc initialization failed due to"
    )
    assert cause_of_start(worker) == "RuntimeError: Cannot find any weights"


@pytest.mark.parametrize("log", ["", "INFO all is well", "ValueError: of somebody else"])
def test_no_cause_is_made_up(log: str) -> None:
    assert cause_of_start(log) is None


def test_the_own_log_is_the_file_that_the_process_writes_to(tmp_path: Path) -> None:
    code = (
        "import subprocess; from pipeline.engines.last_words import own_log;"
        "subprocess.run(['sh', '-c', 'echo from a child >&2'], check=True);"
        "found = own_log(); print(len(found)); assert 'from a child' in found"
    )
    with (tmp_path / "err").open("w") as err:
        subprocess.run([sys.executable, "-c", code], check=True, stderr=err, stdout=subprocess.PIPE)
