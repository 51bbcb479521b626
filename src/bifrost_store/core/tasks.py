"""Several calls at once, with the first failure as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from typing import Any, Final, TypeVar, overload

import anyio
from anyio import to_thread

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

MAX_CONCURRENT_CALLS: Final = 8
MAX_THREADS_ASIDE: Final = 2


@overload
async def together(first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]], /) -> tuple[A, B]: ...
@overload
async def together(
    first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]], third: Callable[[], Awaitable[C]], /
) -> tuple[A, B, C]: ...
async def together(*calls: Callable[[], Awaitable[Any]]) -> tuple[Any, ...]:
    """Return the results of *calls*, made at the same time; the first failure in their order is raised as it is."""
    return tuple(await for_each(lambda call: call(), calls))


async def for_each(function: Callable[[A], Awaitable[B]], items: Sequence[A]) -> list[B]:
    """Return what *function* makes of each item, at most `MAX_CONCURRENT_CALLS` at a time.

    All end before the first failure, in the order of *items*, is raised as it is.
    """
    if len(items) < 2:
        return [await function(item) for item in items]
    results: dict[int, B] = {}
    failures: dict[int, Exception] = {}
    limiter = anyio.CapacityLimiter(MAX_CONCURRENT_CALLS)

    async def run(number: int, item: A) -> None:
        async with limiter:
            try:
                results[number] = await function(item)
            except Exception as error:  # noqa: BLE001 - raised below, once all have ended
                failures[number] = error

    async with anyio.create_task_group() as group:
        for number, item in enumerate(items):
            group.start_soon(run, number, item)
    if failures:
        raise failures[min(failures)]
    return [results[number] for number in range(len(items))]


async def begun_together(streams: Sequence[AsyncIterator[A]]) -> AsyncIterator[A]:
    """Yield what each of *streams* yields, one stream after the other; the first item of every one is waited for at once."""
    firsts = await for_each(_first, streams)
    for stream, first in zip(streams, firsts, strict=True):
        for item in first:
            yield item
            async for later in stream:
                yield later


async def _first(stream: AsyncIterator[A]) -> list[A]:
    async for item in stream:
        return [item]
    return []


def begin(work: Coroutine[Any, Any, A], *, context: Context | None = None) -> asyncio.Task[A]:
    """Return a task that does *work*, and goes on if whoever waits for it is cancelled; asyncio does not report its failure then.

    Args:
        context: Its context; None: a copy of the caller's.
    """
    task = asyncio.create_task(work, context=context)
    task.add_done_callback(_heard)
    return task


async def apart(work: Coroutine[Any, Any, None]) -> None:
    """Do *work* in a context of its own: what it costs is nobody's, and its writes are no part of an operation."""
    task = begin(work, context=Context())
    await asyncio.wait({task})
    task.result()


def _heard(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


class Aside:
    """Runs what takes long on threads, few at a time: the event loop shares Python's lock with all of them."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, function: Callable[..., A], *args: Any) -> A:
        """Return what *function* makes of *args*; if cancelled, after that all the same."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(MAX_THREADS_ASIDE)
        return await to_thread.run_sync(function, *args, limiter=self._limiter)
