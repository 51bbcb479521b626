"""How far those who follow the change feeds have come: for administrators."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bifrost_store.backends.protocol import Backend
from bifrost_store.changefeed import FeedLease
from bifrost_store.changefeed.status import ProcessorStatus, processors_of
from bifrost_store.console.asking import admin_only, as_json
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.tasks import for_each
from bifrost_store.errors import StoreError
from bifrost_store.store import Store


class Feeds:
    """Answers about the feeds of the stores that *store* may have data in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return what is answered here."""
        return [Route("/api/feeds", self._feeds)]

    async def _feeds(self, request: Request) -> Response:
        """Every store that has a feed; one that cannot be asked is told beside the others."""
        admin_only(request)
        stores = [backend for backend in self._store.backend.all_backends() if backend.feed is not None]
        return as_json({"stores": await for_each(_store, stores), "now": format_time(self._clock())})


async def _store(backend: Backend) -> dict[str, Any]:
    try:
        processors = await processors_of(backend)
    except StoreError as error:
        return {"store": backend.name, "processors": [], "problem": str(error)}
    return {"store": backend.name, "processors": [_processor(one, backend.name) for one in processors], "problem": None}


def _processor(one: ProcessorStatus, store: str) -> dict[str, Any]:
    command = shlex.join(["bifrost-store", "feed", "dead-letters", "--store", store, "--", one.name])
    return {
        "name": one.name,
        "feed": one.feed,
        "deadLetters": one.dead_letters,
        "deadLettersCommand": command if one.dead_letters else None,
        "ranges": [_range(lease) for lease in one.leases],
    }


def _range(lease: FeedLease) -> dict[str, Any]:
    return {
        "range": str(lease.part),
        "owner": lease.process,
        "lagItems": lease.lag_items,
        "lagSeconds": lease.lag_seconds if lease.lag_items else 0.0,
        "movedAt": _time(lease.moved_at),
        "problem": lease.problem,
        "failures": lease.failures,
        "stuckSince": _time(lease.stuck_since),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
