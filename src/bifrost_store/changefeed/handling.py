"""Hands items to a handler, and tells an item that it cannot take from a time when it can take none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from bifrost_store.core.feed import FeedItem
from bifrost_store.errors import InvalidRequestError, StoreError

Handler = Callable[[Sequence[FeedItem]], Awaitable[None]]
"""Is given items in their order, some of them again; returns None when all of them are done with."""

_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Poison:
    """An item that failed alone, with another error than of a connection, while later ones of its page succeeded.

    Attributes:
        item: The item.
        error: What it raised last.
        attempts: How often it was handed over.
    """

    item: FeedItem
    error: Exception
    attempts: int


class HandlerError(InvalidRequestError):
    """A handler does not do what one has to. The message says what; nothing is skipped, and its position stays."""


def is_passing(error: BaseException) -> bool:
    """Return whether *error* says nothing about an item: what the handler needs cannot be reached, or asks to wait."""
    return error.is_retryable if isinstance(error, StoreError) else isinstance(error, OSError | TimeoutError | asyncio.TimeoutError)


def check_handler(handler: object) -> None:
    """Refuse what cannot be called.

    Raises:
        HandlerError: The message says what a handler is.
    """
    if not callable(handler):
        raise HandlerError(f"handler: expected an async function of a list of items, not {type(handler).__name__}")


async def hand_over(handler: Handler, items: Sequence[FeedItem]) -> list[Poison]:
    """Hand *items* over; return those that the handler cannot take, if it can take others after them.

    Raises:
        HandlerError: It returned something, or nothing to be awaited.
        Exception: It can take none at the moment, and what it raised tells why. Nothing is known to be done.
    """
    page = _Page(handler)
    error = await page.attempt(items)
    if error is None:
        return []
    if len(items) == 1:
        raise error
    await page.halve(items, error)
    for poison, taken in zip(page.poison, page.taken_before, strict=True):
        if taken == len(page.taken):
            raise poison.error  # Nothing was taken since: it may be that nothing can be.
    for _ in range(_ROUNDS if page.poison else 0):
        await page.look_again()
    return page.poison


@dataclass(slots=True)
class _Page:
    handler: Handler
    poison: list[Poison] = field(default_factory=list)
    taken: list[FeedItem] = field(default_factory=list)
    taken_before: list[int] = field(default_factory=list)

    async def attempt(self, items: Sequence[FeedItem]) -> Exception | None:
        """Return what the handler raises for *items* that may be their fault; raise all else."""
        try:
            answer = self.handler(items)
            if not isinstance(answer, Awaitable):
                raise HandlerError("handler: it must be an async function; what it returned cannot be awaited")
            returned: object = await cast(Awaitable[object], answer)
        except HandlerError:
            raise
        except Exception as error:
            if is_passing(error):
                raise
            return error
        if returned is not None:
            raise HandlerError(
                f"handler: it returned a {type(returned).__name__}, and must return None: items are done with, or it raises"
            )
        self.taken += items
        return None

    async def halve(self, items: Sequence[FeedItem], error: Exception) -> None:
        """Find what of *items*, which fail together with *error*, fails alone; the others are done with then, in their order."""
        if len(items) == 1:
            self.poison.append(Poison(items[0], error, 2))
            self.taken_before.append(len(self.taken))
            return
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            failure = await self.attempt(half)
            if failure is not None:
                await self.halve(half, failure)

    async def look_again(self) -> None:
        """Make sure that an outage, which came and went meanwhile, is not taken for poison: each is tried between two successes.

        What was taken last is handed over once more to see whether anything is taken.
        """
        probe = self.taken[-1]
        await self._expect([probe])
        for number, poison in enumerate(self.poison):
            error = await self.attempt([poison.item])
            if error is None:
                raise poison.error  # It is no poison: all of them once more, in their order.
            self.poison[number] = Poison(poison.item, error, poison.attempts + 1)
        await self._expect([probe])

    async def _expect(self, items: Sequence[FeedItem]) -> None:
        if (error := await self.attempt(items)) is not None:
            raise error
