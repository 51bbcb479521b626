"""`TriggerDelivery`: for change feeds that a host reads, such as Azure Functions', which goes on behind whatever it handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from bifrost_store.changefeed import DeadLetters
from bifrost_store.core.feed import FeedItem
from bifrost_store.core.spec import FeedName
from bifrost_store.errors import CorruptDocumentError, StoreError
from bifrost_store.realtime.delivering import Delivery
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
    """

    def __init__(self, delivery: Delivery, publisher: RunPublisher, letters: DeadLetters, read: ReadItems) -> None:
        self._delivery = delivery
        self._publisher = publisher
        self._letters = letters
        self._read = read

    async def handle(self, feed: FeedName, documents: Sequence[Mapping[str, Any]]) -> None:
        """Tell of *documents*, in their order; again does no harm. What is not sent after 30 s is sent later, or dropped.

        Raises:
            StoreError: The store cannot be reached, and nothing may be left out: the documents are to be handed over again.
        """
        items, unreadable = self._read(feed, documents)
        for error in unreadable:
            await self._letters.keep_unreadable(feed, error)
        for item in items:
            try:
                await self._delivery.tell([item])
            except Exception as error:
                if isinstance(error, StoreError) and error.is_retryable:
                    raise
                await self._letters.keep_item(feed, item, error, 1)
        with suppress(TimeoutError):
            async with asyncio.timeout(_SENDING_SECONDS):
                await self._publisher.sent()
