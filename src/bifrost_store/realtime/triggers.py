"""`TriggerDelivery`: for change feeds that a host reads, such as Azure Functions', which goes on behind whatever it handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from bifrost_store.changefeed import DeadLetters
from bifrost_store.changefeed.telemetry import FeedTelemetry
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.feed import FeedItem
from bifrost_store.core.spec import FeedName
from bifrost_store.errors import CorruptDocumentError, StoreError
from bifrost_store.realtime.delivering import RUN_FEEDS, Delivery
from bifrost_store.realtime.publishing import RunPublisher

ReadItems = Callable[[FeedName, Sequence[Mapping[str, Any]]], tuple[list[FeedItem], list[CorruptDocumentError]]]
"""From raw documents of a feed to its items, and an error for each that cannot be read."""

_SENDING_SECONDS: Final = 30.0


class TriggerDelivery:
    """Tells of raw documents of a feed. What cannot be is a dead letter before `handle` returns; publishing never fails.

    Args:
        delivery: Tells of items.
        publisher: Sends what it tells.
        letters: Keeps what cannot be told of, in the feed's store.
        read: Reads the documents.
        clock: Tells how old documents are.
        telemetry: Hears of it, for each feed; by default OpenTelemetry.
    """

    def __init__(
        self,
        delivery: Delivery,
        publisher: RunPublisher,
        letters: DeadLetters,
        read: ReadItems,
        *,
        clock: Clock = utc_now,
        telemetry: Callable[[str, FeedName], FeedTelemetry] = FeedTelemetry,
    ) -> None:
        self._delivery = delivery
        self._publisher = publisher
        self._letters = letters
        self._read = read
        self._clock = clock
        self._telemetry = {feed: telemetry(letters.processor, feed) for feed in RUN_FEEDS}

    async def handle(self, feed: FeedName, documents: Sequence[Mapping[str, Any]]) -> None:
        """Tell of *documents*, in their order; again does no harm. What is not sent after 30 s is sent later, or dropped.

        Args:
            feed: One of `RUN_FEEDS`.
            documents: As the service gives them.

        Raises:
            StoreError: The store cannot be reached, and nothing may be left out: the documents are to be handed over again.
        """
        telemetry = self._telemetry[feed]
        try:
            with telemetry.handling(len(documents)):
                kept = await self._tell(feed, documents)
        except Exception as error:
            telemetry.failed(type(error).__name__)
            raise
        telemetry.handled(len(documents) - kept)
        if kept:
            telemetry.dead_letters(kept)
        if documents and isinstance(written := documents[-1].get("_ts"), int):
            telemetry.aged(max(0.0, self._clock().timestamp() - written))

    async def _tell(self, feed: FeedName, documents: Sequence[Mapping[str, Any]]) -> int:
        items, unreadable = self._read(feed, documents)
        for unread in unreadable:
            await self._letters.keep_unreadable(feed, unread)
        kept = len(unreadable)
        for item in items:
            try:
                await self._delivery.tell([item])
            except Exception as error:
                if isinstance(error, StoreError) and error.is_retryable:
                    raise
                await self._letters.keep_item(feed, item, error, 1)
                kept += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(_SENDING_SECONDS):
                await self._publisher.sent()
        return kept
