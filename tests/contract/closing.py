"""How every harness opens a backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import utc_now
from bifrost_store.documents import SPECS
from bifrost_store.wrappers.checked import CheckedBackend
from bifrost_store.wrappers.observe import ObservedBackend
from bifrost_store.wrappers.observer import Observer


@asynccontextmanager
async def closing(inner: Backend) -> AsyncIterator[CheckedBackend]:
    """Yield *inner* observed and checked, as in an opened store, and close it at the end."""
    backend = CheckedBackend(ObservedBackend(inner, Observer(utc_now)), SPECS)
    try:
        yield backend
    finally:
        await backend.aclose()
