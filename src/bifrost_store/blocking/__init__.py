"""The store for code that does not await: scripts, Flask, Celery. One event loop on a thread of its own serves all of them."""

from __future__ import annotations

from bifrost_store.blocking.store import BlockingStore, open_store_blocking

__all__ = ["BlockingStore", "open_store_blocking"]
