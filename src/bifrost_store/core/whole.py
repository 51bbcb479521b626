"""What a backend read for the first page of a list, kept for those that follow while someone reads the list to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

A = TypeVar("A")


@dataclass(slots=True)
class _Kept:
    """What one list has read; tasks that it began may outlive it, and find it closed."""

    answers: dict[Hashable, Any] = field(default_factory=dict[Hashable, Any])
    is_open: bool = True


_lists: Final[ContextVar[_Kept | None]] = ContextVar("bifrost_store_lists", default=None)


@contextmanager
def reading_to_the_end() -> Iterator[None]:
    """Let backends keep what they read inside the block: whoever reads every page in it sees the state of the first."""
    one = _Kept()
    token = _lists.set(one)
    try:
        yield
    finally:
        _lists.reset(token)
        one.is_open = False
        one.answers.clear()


async def kept(what: Hashable, read: Callable[[], Awaitable[A]]) -> A:
    """Return what *read* returned for *what* before in the block that is open, else what it returns now."""
    one = _lists.get()
    if one is None or not one.is_open:
        return await read()
    if what not in one.answers:
        one.answers[what] = await read()
    return cast(A, one.answers[what])
