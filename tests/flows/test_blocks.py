"""Tokens in blocks are the tokens that vLLM's own scheduler gives, with a real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.flows.flow import ROOT, WAIT_S

pytestmark = pytest.mark.flow


def completions(which: str) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.flows.generate", which],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    lines = [line for line in ended.stdout.splitlines() if line.startswith("[{")]
    return {one["request_id"]: one for one in json.loads(lines[-1])}


def test_no_token_and_no_log_probability_is_lost_in_a_block() -> None:
    blocks, plain = completions("blocks"), completions("plain")
    assert blocks.keys() == plain.keys()
    assert len(blocks) == 48
    for one in blocks.values():
        assert one["finish_reason"] in ("stop", "length")
        assert one["confidence"]["tokens"] == one["output_tokens"] > 16
    # Sums of bfloat16 depend on which requests share a step, and so may a close choice.
    same = [name for name, one in blocks.items() if one["text"] == plain[name]["text"]]
    assert len(same) >= 46
    for name in same:
        ours, theirs = blocks[name]["confidence"], plain[name]["confidence"]
        assert blocks[name]["output_tokens"] == plain[name]["output_tokens"]
        for feature in ("mean_logprob", "min_logprob", "top2_margin"):
            assert ours[feature] == pytest.approx(theirs[feature], abs=0.1)
