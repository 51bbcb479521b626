"""How every harness opens a backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import utc_now
from bifrost_store.documents import SPECS
from bifrost_store.wrappers.checked import CheckedBackend
from bifrost_store.wrappers.observe import ObservedBackend
from bifrost_store.wrappers.observer import Observer


class _Observed(ObservedBackend):
    """Observed as in an opened store, so that the contract holds for that too; tests may reach what is inside."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@asynccontextmanager
async def closing(inner: Backend) -> AsyncIterator[CheckedBackend]:
    """Yield *inner* as the suite wants it, and close it at the end."""
    backend = CheckedBackend(_Observed(inner, Observer(utc_now)), SPECS)
    try:
        yield backend
    finally:
        await backend.aclose()
