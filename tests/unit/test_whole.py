"""What is kept while a list is read to its end, and not a moment longer."""

from __future__ import annotations

from asyncio import Event, create_task
from itertools import count

import pytest

from bifrost_store.core.whole import kept, reading_to_the_end

pytestmark = pytest.mark.anyio


class Counter:
    """Returns another number each time it is read."""

    def __init__(self) -> None:
        self._numbers = count()

    async def read(self) -> int:
        return next(self._numbers)


async def test_within_a_list_the_same_is_read_once() -> None:
    """Outside of one it is read each time, and each list reads it anew."""
    counter = Counter()
    with reading_to_the_end():
        first = [await kept("a", counter.read), await kept("a", counter.read), await kept("b", counter.read)]
    with reading_to_the_end():
        second = await kept("a", counter.read)

    assert [0, 0, 1] == first
    assert second == 2
    assert [3, 4] == [await kept("a", counter.read) for _ in range(2)]


async def test_a_task_that_outlives_its_list_reads_anew() -> None:
    """Whatever was begun inside, a keeper of leases for example, is not told for ever what the list saw."""
    counter, ended = Counter(), Event()

    async def later() -> list[int]:
        await ended.wait()
        return [await kept("a", counter.read) for _ in range(2)]

    with reading_to_the_end():
        await kept("a", counter.read)
        task = create_task(later())
    ended.set()

    assert await task == [1, 2]
