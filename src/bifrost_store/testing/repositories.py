"""The repositories over one backend, as a store opens them."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from inspect import getmembers

from bifrost_store import protocols
from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.core.scope import Scope
from bifrost_store.repositories.assembly import Context, Repositories

__all__ = ["RETENTION", "Repositories", "protocols_of", "repositories_over"]

RETENTION = timedelta(days=14)


def repositories_over(
    backend: Backend, blobs: BlobStore, clock: Clock, *, retention: timedelta | None = RETENTION, is_realtime: bool = False
) -> Repositories:
    """Return the repositories of *backend*, with payloads in *blobs*; with *is_realtime* in execution data, where that is kept."""

    async def is_on(scope: Scope) -> bool:
        return is_realtime

    return Repositories(Context(backend, clock, lambda _: blobs, retention, is_realtime=is_on))


def protocols_of(kind: type[Repositories]) -> dict[str, type]:
    """Return the Protocol of each repository that *kind* has, by the attribute's name."""
    made = getmembers(kind, lambda one: isinstance(one, cached_property))
    return {name: vars(protocols)[one.func.__annotations__["return"]] for name, one in made}
