"""Runs a suspect alone: ordinary work shares the place, a suspect has it to itself.

Boundary: one asyncio loop; knows nothing of engines.
Invariants: while a suspect is inside, nobody else is. While a suspect waits or is inside, no
ordinary work enters; what was inside before is waited for. Suspects come in turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Isolation:
    """A lock with two ways in, `shared` and `alone`."""

    def __init__(self) -> None:
        self._sharing = 0
        self._suspects = 0  # inside or waiting
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Enter with others, once no suspect is inside or waiting."""
        while self._suspects:  # asked again, because a suspect may come before a woken waiter runs
            await self._is_open.wait()
        self._sharing += 1
        self._is_empty.clear()
        try:
            yield
        finally:
            self._sharing -= 1
            if self._sharing == 0:
                self._is_empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep others from entering, wait until all have left, then be alone inside."""
        self._suspects += 1
        self._is_open.clear()
        try:
            async with self._turn:
                await self._is_empty.wait()
                yield
        finally:
            self._suspects -= 1
            if self._suspects == 0:
                self._is_open.set()
