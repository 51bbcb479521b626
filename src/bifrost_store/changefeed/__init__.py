"""Follow what changes in a store: by a reader for oneself, or by a processor that several processes share."""

from __future__ import annotations

from bifrost_store.changefeed.dead_letters import DeadLetter, DeadLetters
from bifrost_store.changefeed.following import OnPoison, PoisonError
from bifrost_store.changefeed.handling import Handler, HandlerError
from bifrost_store.changefeed.leases import FeedLease, leases_by_processor
from bifrost_store.changefeed.processor import ChangeFeedProcessor
from bifrost_store.changefeed.reader import FeedReader
from bifrost_store.changefeed.timing import FeedTiming
from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.feed import FeedItem, FeedPage
from bifrost_store.core.record import Record
from bifrost_store.core.spec import FeedName

__all__ = [
    "ChangeFeedProcessor",
    "DataDocument",
    "DeadLetter",
    "DeadLetters",
    "FeedItem",
    "FeedLease",
    "FeedName",
    "FeedPage",
    "FeedReader",
    "FeedTiming",
    "Handler",
    "HandlerError",
    "OnPoison",
    "PoisonError",
    "Record",
    "leases_by_processor",
]
