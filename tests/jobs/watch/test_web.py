"""The live page: what it serves, to whom, and what a browser makes of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from jobs.cli.errors import CommandError
from jobs.watch.live import Live
from jobs.watch.web import serving
from tests.jobs.watch.watch_builders import PER_S, STARTED, TOTAL, status

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def page_at(second: int) -> Iterator[tuple[str, Live]]:
    """The page of a run that is watched from its start to this second."""
    live = Live(job="job.yaml", now_unix_s=lambda: STARTED + second + 1)
    for _ in live.noted(status(passed) for passed in range(0, second + 1, 5)):
        pass
    with serving(live.picture, "127.0.0.1", 0) as address:
        yield address, live


def test_the_page_and_its_data_are_served_and_nothing_else() -> None:
    with page_at(300) as (address, _):
        page = httpx.get(address)
        assert page.headers["content-type"].startswith("text/html")
        assert "script-src 'unsafe-inline'" in page.headers["content-security-policy"]
        run = httpx.get(address + "run.json").json()
        assert (run["name"], run["state"], run["share"]) == (
            "invoices <October>",
            "in_progress",
            300 * PER_S / TOTAL,
        )
        assert dict(run["facts"])["time"] == "5m00s elapsed, 15m00s (13m30s to 18m00s) left"
        assert [cells[-1] for cells in run["engines"]] == ["works", "has to go, 1m29s left"]
        assert len(run["points"]) == 31
        for path in ("etc/passwd", "../jobs", "run.json?x", "%2e%2e/pyproject.toml"):
            assert httpx.get(address + path).status_code == 404


def test_a_name_that_does_not_mean_this_machine_is_refused() -> None:
    with page_at(10) as (address, _):
        for name, expected in (("evil.example", 403), ("localhost:1", 200), ("127.0.0.1", 200)):
            assert httpx.get(address + "run.json", headers={"Host": name}).status_code == expected


def test_a_port_in_use_and_an_address_of_elsewhere_are_named_with_the_way_out() -> None:
    with page_at(10) as (address, live):
        port = httpx.URL(address).port
        assert port is not None
        with (
            pytest.raises(CommandError, match=f"port {port} is in use - name another one"),
            serving(live.picture, "127.0.0.1", port),
        ):
            pass
        with (
            pytest.raises(CommandError, match=r"cannot listen on 203\.0\.113\.9:0"),
            serving(live.picture, "203.0.113.9", 0),
        ):
            pass


def test_the_end_is_waited_for_until_a_page_has_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.watch.live.LAST_LOOK_S", 0.01)
    with page_at(TOTAL // PER_S) as (address, live):
        live.wait_for_last_look()  # nobody looks: it ends
        monkeypatch.setattr("jobs.watch.live.LAST_LOOK_S", 60.0)
        assert httpx.get(address + "run.json").json()["is_over"]
        live.wait_for_last_look()  # at once


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("second", [300, TOTAL // PER_S])
def test_a_browser_shows_the_run_and_has_nothing_to_complain_about(
    second: int, tmp_path: Path
) -> None:
    assert CHROMIUM is not None
    with page_at(second) as (address, _):
        shown = subprocess.run(
            [
                *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update"),
                *("--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path}"),
                *("--virtual-time-budget=3000", "--dump-dom", address),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    complaints = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
    assert not complaints
    dom = shown.stdout
    assert '<h1 id="name">invoices &lt;October&gt;</h1>' in dom
    assert dom.count("<svg") == 4
    assert "9000 tokens fit not into 4096 &lt;b&gt;bold&lt;/b&gt;" in dom
    is_over = second == TOTAL // PER_S
    assert ("has to go, " in dom) is not is_over
    assert f">{'completed' if is_over else 'in progress'}</span>" in dom
