"""A suspect is alone, nobody is kept out for ever."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.isolation import Isolation
from tests.pipeline.virtual_loop import DeadlockError, run


class Room:
    """Counts who is inside and notes what must not be."""

    def __init__(self) -> None:
        self.isolation = Isolation()
        self.sharing = 0
        self.alone = 0
        self.most_sharing = 0
        self.wrong: list[str] = []

    async def share(self, after_s: float, for_s: float) -> None:
        await asyncio.sleep(after_s)
        async with self.isolation.shared():
            self.sharing += 1
            self.most_sharing = max(self.most_sharing, self.sharing)
            if self.alone:
                self.wrong.append("ordinary work beside a suspect")
            try:
                await asyncio.sleep(for_s)
            finally:
                self.sharing -= 1

    async def be_alone(self, after_s: float, for_s: float) -> None:
        await asyncio.sleep(after_s)
        async with self.isolation.alone():
            self.alone += 1
            if self.sharing or self.alone > 1:
                self.wrong.append("a suspect in company")
            try:
                await asyncio.sleep(for_s)
            finally:
                self.alone -= 1


visits = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 4), st.booleans()), max_size=20
)


@given(visits, st.randoms(use_true_random=False))
def test_a_suspect_is_always_alone_and_everybody_gets_in(
    visits: list[tuple[bool, int, int, bool]], random: random.Random
) -> None:
    async def main() -> Room:
        room = Room()
        tasks = []
        for is_suspect, after_s, for_s, gives_up in visits:
            enter = room.be_alone if is_suspect else room.share
            tasks.append(asyncio.create_task(enter(after_s, for_s)))
            if gives_up:
                asyncio.get_running_loop().call_later(random.randint(0, 8), tasks[-1].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        await room.share(0, 0)
        await room.be_alone(0, 0)
        return room

    assert run(main()).wrong == []


def test_ordinary_work_shares() -> None:
    async def main() -> int:
        room = Room()
        await asyncio.gather(*(room.share(0, 1) for _ in range(5)))
        return room.most_sharing

    assert run(main()) == 5


def test_the_virtual_loop_sees_a_deadlock() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run(main())
