"""Positions in feeds as callers keep them: bound to the store, the feed and the range that they were given out for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bifrost_store.core.feed import FeedRange
from bifrost_store.core.spec import FeedName
from bifrost_store.core.tokens import seal, unseal
from bifrost_store.errors import InvalidContinuationTokenError

_WHAT: Final = "position"


def seal_position(store: str, feed: FeedName, part: FeedRange, mark: str) -> str:
    """Return the position that stands at *mark* in a range of a feed.

    Args:
        store: Names the store as no other is named, nor this one after it was re-created.
        mark: The backend's own text.
    """
    return seal([_WHAT, store, feed, part.low, part.high, mark])


def open_position(store: str, feed: FeedName, part: FeedRange, position: str) -> str:
    """Return the mark that *position* stands at.

    Raises:
        InvalidContinuationTokenError: It was altered, or belongs to another feed, range or store.
    """
    found_store, found, mark = _parsed(feed, position)
    if found_store != store:
        raise InvalidContinuationTokenError(
            "position: it belongs to another store, or to this one before it was re-created; start from the beginning or from now"
        )
    if found != part:
        raise InvalidContinuationTokenError(f"position: it belongs to the range {found} of the feed, not to {part}")
    return mark


def narrow_position(feed: FeedName, part: FeedRange, position: str, cut: Callable[[str], str]) -> str:
    """Return *position*, of a range that *part* lies in, as one of *part*, its mark changed by *cut*.

    Raises:
        InvalidContinuationTokenError: It was altered, or belongs to another feed or range.
    """
    store, found, mark = _parsed(feed, position)
    if not found.covers(part):
        raise InvalidContinuationTokenError(f"position: it belongs to the range {found} of the feed, in which {part} does not lie")
    return seal_position(store, feed, part, cut(mark))


def _parsed(feed: FeedName, position: str) -> tuple[str, FeedRange, str]:
    match unseal(position, _WHAT):
        case ["position", store, of_feed, low, high, mark] if of_feed == feed:
            return store, FeedRange(low, high), mark
        case ["position", _, of_feed, _, _, _]:
            raise InvalidContinuationTokenError(f"position: it belongs to the feed {of_feed}, not to {feed}")
        case _:
            raise InvalidContinuationTokenError("position: not one in a feed")
