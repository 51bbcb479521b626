"""Raw documents of a container's change feed as feed items: for whoever reads the feed by other means, such as a trigger."""

from __future__ import annotations

from collections.abc import Sequence

from bifrost_store.backends.cosmos.data_documents import data_from_document
from bifrost_store.backends.cosmos.documents import TOMBSTONE, Document, record_from_document
from bifrost_store.core.feed import FeedItem
from bifrost_store.core.spec import FeedName, Specs
from bifrost_store.documents import SPECS
from bifrost_store.errors import CorruptDocumentError


def read_feed_items(
    feed: FeedName, documents: Sequence[Document], specs: Specs = SPECS
) -> tuple[list[FeedItem], list[CorruptDocumentError]]:
    """Return what documents of a container's change feed hold, in their order, and an error for each that cannot be read.

    The library's own records are left out. A caller that goes on past what cannot be read should keep that:
    `bifrost_store.changefeed.DeadLetters.keep_unreadable`.

    Args:
        feed: The container's: ``entities``, ``executions`` or ``execution_data``.
        documents: As the service gives them, its own members such as ``_etag`` and ``_ts`` among them.
        specs: Of the kinds that there are.
    """
    items: list[FeedItem] = []
    unreadable: list[CorruptDocumentError] = []
    for document in documents:
        if feed != "execution_data" and is_internal(document, specs):
            continue
        try:
            item = data_from_document(document) if feed == "execution_data" else record_from_document(document, specs)
            items.append(item)
        except CorruptDocumentError as error:
            unreadable.append(error)
    return items, unreadable


def is_internal(document: Document, specs: Specs) -> bool:
    """Return whether *document* is of the library's own, tombstones included."""
    meta = document.get("meta")
    kind = meta.get("kind") if document.get("type") == TOMBSTONE and isinstance(meta, dict) else document.get("type")
    spec = specs.get(kind) if isinstance(kind, str) else None
    return spec is not None and spec.is_internal
