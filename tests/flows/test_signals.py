"""What a real vLLM engine says of its answers: over values, by field, and when it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from checkpoints.result import Confidence
from pipeline.certification.scoring import auroc, features
from tests.flows.flow import ROOT

pytestmark = pytest.mark.flow

COUNT = 200
FIELDS = json.loads((ROOT / "jobs/demo/schema.json").read_text())["required"]


@pytest.mark.timeout(600)
def test_an_engine_tells_of_each_field_how_sure_it_is_and_of_the_whole_when_asked() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "tests.flows.ask_engine", str(COUNT)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=500,
    )
    # vLLM logs to stdout too.
    [line] = [line for line in made.stdout.splitlines() if line.startswith('{"checked"')]
    found: dict[str, Any] = json.loads(line)
    checked, plain = found["checked"], found["plain"]
    ended = [one for one in checked if one["finish_reason"] == "stop"]
    assert len(ended) >= COUNT * 0.95
    for one in ended:
        sure = Confidence.of_fields(one["confidence"])
        assert list(json.loads(one["text"])) == FIELDS == [name for name, _ in sure.fields]
        assert sure.tokens == one["output_tokens"]
        assert sure.value_tokens is not None
        assert 0 < sure.value_tokens < sure.tokens
        assert sure.value_min_logprob == min(logprob for _, logprob in sure.fields)
        assert sure.self_check is not None
        assert 0 <= sure.self_check <= 1
    # What the grammar forces is sure, and hides what is not.
    means = [one["confidence"]["mean_logprob"] for one in ended]
    assert np.mean([one["confidence"]["value_mean_logprob"] for one in ended]) < np.mean(means)
    # vLLM lays the choice on the model's scores before it takes log probabilities of them, and
    # names everything that may begin a reply.
    assert len(found["reply_sums"]) == len(ended)
    assert found["reply_sums"] == pytest.approx([1.0] * len(ended), abs=1e-3)

    # Answers that share steps with questions are as they are without. Sums of bfloat16 depend on
    # which requests share a step, and so may a close choice.
    same = [
        (Confidence.of_fields(one["confidence"]), Confidence.of_fields(other["confidence"]))
        for one, other in zip(checked, plain, strict=True)
        if one["text"] == other["text"]
    ]
    assert len(same) >= COUNT * 0.9
    assert all(other.self_check is None for _, other in same)
    margins = [abs(one.top2_margin - other.top2_margin) for one, other in same]
    assert np.mean(margins) < 0.005

    right = np.array([one["right"] for one in checked])
    told = np.array([features(Confidence.of_fields(one["confidence"])) for one in checked])
    print(f"{right.sum()} of {COUNT} right; AUROC of mean, value mean, weakest field, self-check:")
    print([auroc(told[:, column], right) for column in (0, 5, 10, 11)])
