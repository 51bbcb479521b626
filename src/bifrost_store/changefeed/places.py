"""Positions of a whole feed: one for each of its ranges, as one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bifrost_store.backends.feed import Feed
from bifrost_store.core.feed import FeedRange
from bifrost_store.core.spec import FeedName
from bifrost_store.core.tokens import seal, unseal
from bifrost_store.errors import InvalidContinuationTokenError

_WHAT: Final = "position"
_WHOLE: Final = "feed"
Places = Mapping[FeedRange, str | None]
"""A position for each range; None: its beginning."""


def pack(feed: FeedName, places: Places) -> str:
    """Return the position that stands where *places* do."""
    parts = [part for place, position in places.items() for part in (place.low, place.high, position or "")]
    return seal([_WHOLE, feed, *parts])


def unpack(feed: FeedName, position: str) -> dict[FeedRange, str | None]:
    """Return the positions in a text of `pack`.

    Raises:
        InvalidContinuationTokenError: It was altered, or belongs to another feed.
    """
    match unseal(position, _WHAT):
        case ["feed", of_feed, *parts] if of_feed == feed:
            return {FeedRange(low, high): place or None for low, high, place in _threes(parts)}
        case ["feed", of_feed, *_]:
            raise InvalidContinuationTokenError(f"position: it belongs to the feed {of_feed}, not to {feed}")
        case _:
            raise InvalidContinuationTokenError("position: expected the `position` of a FeedReader")


async def start_at(feed: Feed, name: FeedName, start: str, part: FeedRange) -> dict[FeedRange, str | None]:
    """Return where to begin in *part*: in itself, or in parts of it where a position knows smaller ones.

    Args:
        start: ``now``, ``beginning`` or what `pack` returned.

    Raises:
        InvalidContinuationTokenError: The position is none of this feed, or knows nothing of the range.
    """
    if start == "beginning":
        return {part: None}
    if start == "now":
        return {part: await feed.tip(name, part)}
    places = unpack(name, start)
    cuts = {_common(place, part): position and feed.narrowed(name, position, _common(place, part))
            for place, position in places.items() if place.low < part.high and part.low < place.high}  # fmt: skip
    if not cuts:
        raise InvalidContinuationTokenError(f"position: it knows nothing of the range {part} of the feed")
    return cuts


def _common(first: FeedRange, second: FeedRange) -> FeedRange:
    return FeedRange(max(first.low, second.low), min(first.high, second.high))


def _threes(parts: Sequence[str]) -> list[Sequence[str]]:
    return [parts[start : start + 3] for start in range(0, len(parts), 3)]
