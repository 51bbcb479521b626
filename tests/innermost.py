"""The backend inside all wrappers, for tests that damage what is stored or look at it."""

from __future__ import annotations

from typing import Any

from bifrost_store.backends.protocol import Backend
from bifrost_store.wrappers.pass_through import PassThrough


def innermost(backend: Backend) -> Any:
    """Return what *backend* wraps, at the end."""
    while isinstance(backend, PassThrough):
        backend = backend._wrapped
    return backend
