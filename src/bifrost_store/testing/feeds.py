"""Feeds read to their ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bifrost_store.backends.feed import Feed
from bifrost_store.core.feed import FeedItem, FeedPage, FeedRange
from bifrost_store.core.record import Key, Record
from bifrost_store.core.spec import FeedName

Positions = dict[FeedRange, str | None]
"""A position for each range of a feed; None: its beginning."""


async def beginning(feed: Feed, name: FeedName) -> Positions:
    """Return where each range begins."""
    return dict.fromkeys(await feed.ranges(name))


async def tips(feed: Feed, name: FeedName) -> Positions:
    """Return where each range ends now."""
    return {part: await feed.tip(name, part) for part in await feed.ranges(name)}


async def pages(feed: Feed, name: FeedName, positions: Positions, *, limit: int = 100) -> AsyncIterator[FeedPage]:
    """Go through the pages of all ranges until each is drained, and note in *positions* where each ends."""
    for part in positions:
        while True:
            page = await feed.items(name, part, positions[part], limit=limit)
            assert page.unreadable == ()
            positions[part] = page.position
            yield page
            if page.is_drained:
                break


async def drained(feed: Feed, name: FeedName, positions: Positions, *, limit: int = 100) -> list[FeedItem]:
    """Return the items of `pages`."""
    return [item async for page in pages(feed, name, positions, limit=limit) for item in page.items]


def by_key(items: list[FeedItem]) -> dict[Key, Record]:
    """Return the last state that *items* tell of each record."""
    return {item.key: item for item in items if isinstance(item, Record)}
