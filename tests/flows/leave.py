"""A caller that leaves: takes the first part of an answer and goes; for test_serving.py.

    python -m tests.flows.leave ADDRESS COUNTS

Prints the ids that were answered to it before, and those of a second caller who stays.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from jobs.ray_session import ray_session
from pipeline.engines.drain import never
from pipeline.engines.engine import Request
from pipeline.engines.serving import EngineClient, application_names, deploy, tier_states, undeploy
from pipeline.engines.starts import Starts
from tests.flows.counting import CountedFactory
from tests.pipeline.engine_builders import tier

WAIT_S = 120.0


async def leave_and_stay(client: EngineClient) -> dict[str, list[str]]:
    parts = client.send([Request(f"0.{n}.small", (n,)) for n in range(4)])
    assert await anext(parts) == []  # the engine has begun
    left = [one.request_id for one in await anext(parts)]
    await parts.aclose()
    stayed = [
        one.request_id async for part in client.send([Request("0.9.small", (9,))]) for one in part
    ]
    return {"left": left, "stayed": stayed}


def main(address: str, counts: str) -> None:
    its = [tier()]
    with ray_session(address, show_worker_logs=False):
        deploy("leaving", its, CountedFactory(counts, delay_s=2.0), never)
        deadline_s = time.monotonic() + WAIT_S
        while not tier_states("leaving", its, Starts())["small"].ready:
            if time.monotonic() > deadline_s:
                raise TimeoutError("no replica became ready")
            time.sleep(0.2)
        client = EngineClient(application_names("leaving", its[0]))
        print(json.dumps(asyncio.run(leave_and_stay(client))))
        undeploy("leaving", its)


if __name__ == "__main__":
    main(*sys.argv[1:])
