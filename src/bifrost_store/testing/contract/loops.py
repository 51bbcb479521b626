"""A store belongs to one event loop: another is told so at its first call, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from anyio import to_thread

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import Create
from bifrost_store.core.query import Query
from bifrost_store.errors import EventLoopError
from bifrost_store.testing.examples import ORGANIZATION, config, touched
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio


async def test_a_second_event_loop_is_refused(backend: Backend) -> None:
    """Every method raises EventLoopError there, says what to do, and sends nothing; on the first loop all goes on."""
    stored = await backend.create(config())
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: backend.get(stored.key),
        "stored": lambda: backend.stored(stored.key),
        "create": lambda: backend.create(config("other")),
        "replace": lambda: backend.replace(touched(stored), stored.etag),
        "delete": lambda: backend.delete(stored.key),
        "apply": lambda: backend.apply(touched(stored)),
        "batch": lambda: backend.batch([Create(config("other"))]),
        "query": lambda: backend.query(Query("config", ORGANIZATION)),
        "aggregate": lambda: backend.aggregate(Query("config", ORGANIZATION)),
        "purge_expired": lambda: backend.purge_expired(kind="config"),
        "scan": lambda: anext(backend.scan()),
        "provision": backend.provision,
        "ping": backend.ping,
    }

    async def failure(call: Callable[[], Awaitable[object]]) -> Exception | None:
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - which one is the question
            return error
        return None

    for name, call in calls.items():
        error = await to_thread.run_sync(asyncio.run, failure(call))
        assert isinstance(error, EventLoopError), (name, error)
        assert "Open a store in each event loop, or make all calls in one" in str(error)
        assert not error.is_retryable
    assert exactly(await backend.get(stored.key)) == exactly(stored)
    assert await backend.get(config("other").key) is None
