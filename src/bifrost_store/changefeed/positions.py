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
Positions = Mapping[FeedRange, str | None]
"""A position for each range; None: its beginning."""


def pack(feed: FeedName, positions: Positions) -> str:
    """Return the position that stands where *positions* do."""
    parts = [text for part, position in positions.items() for text in (part.low, part.high, position or "")]
    return seal([_WHOLE, feed, *parts])


def unpack(feed: FeedName, position: str) -> dict[FeedRange, str | None]:
    """Return the positions in a text of `pack`.

    Raises:
        InvalidContinuationTokenError: It was altered, or belongs to another feed.
    """
    match unseal(position, _WHAT):
        case ["feed", of_feed, *parts] if of_feed == feed:
            return {FeedRange(low, high): position or None for low, high, position in _threes(parts)}
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
    positions = unpack(name, start)
    cuts = {_common(known, part): position and feed.narrowed(name, position, _common(known, part))
            for known, position in positions.items() if known.low < part.high and part.low < known.high}  # fmt: skip
    if not cuts:
        raise InvalidContinuationTokenError(f"position: it knows nothing of the range {part} of the feed")
    return cuts


def _common(first: FeedRange, second: FeedRange) -> FeedRange:
    return FeedRange(max(first.low, second.low), min(first.high, second.high))


def _threes(parts: Sequence[str]) -> list[Sequence[str]]:
    return [parts[start : start + 3] for start in range(0, len(parts), 3)]
