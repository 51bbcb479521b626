"""What a change feed delivers, and positions in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.record import Record
from bifrost_store.errors import CorruptDocumentError

FeedItem = Record | DataDocument
"""A changed record or tombstone, or a document of execution data, as it is now."""


@dataclass(frozen=True, slots=True, order=True)
class FeedRange:
    """A part of a feed that is read by itself: hashes of partition keys from *low* on, up to but without *high*.

    Both are hex digits, compared as texts; all of a feed is from ``""`` to ``"FF"``.
    """

    low: str
    high: str

    def covers(self, other: FeedRange) -> bool:
        """Return whether all of *other* lies in this range."""
        return self.low <= other.low and other.high <= self.high

    @override
    def __str__(self) -> str:
        return f"{self.low}-{self.high}"


WHOLE: Final = FeedRange("", "FF")


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A stretch of a feed.

    Attributes:
        items: In the order of their changes; that of one partition key is kept, and no transaction is cut.
        position: Behind this stretch: pass it to `Feed.items` to go on, also in another process.
        is_drained: Nothing more had happened when the page was read.
        lag_items: How many changes come after *position*: on SQLite counted, up to 10,000; on Cosmos DB transactions in the
            range, those of other kinds and of the library's own records among them.
        lag_seconds: How long ago the last item of this stretch was changed, by the clock of the store; 0 without any.
        unreadable: Items that cannot be read, each named by an error.
    """

    items: tuple[FeedItem, ...]
    position: str
    is_drained: bool
    lag_items: int = 0
    lag_seconds: float = 0.0
    unreadable: tuple[CorruptDocumentError, ...] = ()
