"""An opened store on a second event loop: every repository, blobs, and the store itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from anyio import to_thread

from bifrost_store import GLOBAL, ConfigType, Store, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.errors import EventLoopError
from bifrost_store.protocols import ExecutionRef

pytestmark = pytest.mark.anyio

CALLS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "read": lambda store: store.config.get(GLOBAL, "key"),
    "write": lambda store: store.config.set(GLOBAL, "key", "other", config_type=ConfigType.STRING, updated_by="u"),
    "list": lambda store: store.executions.list(GLOBAL),
    "list of every scope": lambda store: store.executions.stuck(now=datetime.now(UTC)),
    "payload": lambda store: store.executions.load_logs(ExecutionRef(GLOBAL, "e-1")),
    "upload": lambda store: store.uploads.save("a", b"x", "text/plain"),
    "link": lambda store: store.uploads.link("0" * 32 + "_a", valid_for=timedelta(hours=1)),
    "logo": lambda store: store.branding.get(GLOBAL),
    "scan": lambda store: anext(store.backend.scan()),
    "repair": lambda store: store.repair(),
    "differences": lambda store: store.differences(),
    "provision": lambda store: store.provision(),
    "ping": lambda store: store.ping(),
}


@pytest.fixture(params=["sqlite", "table", "cosmos"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, empty_azurite: Azurite) -> AsyncIterator[Store]:
    async with AsyncExitStack() as stack:
        settings = StoreSettings(sqlite_path=str(tmp_path / "store.db"))
        if request.param == "table":
            settings = StoreSettings(backend="table", table_connection_string=empty_azurite.connection_string)
        if request.param == "cosmos":
            cosmos = stack.enter_context(CosmosEmulator())
            settings = StoreSettings(
                backend="cosmos",
                cosmos_connection_string=cosmos.connection_string,
                blob_folder=str(tmp_path / "blobs"),
            )
        yield await stack.enter_async_context(open_store(settings))


async def test_every_call_of_a_second_loop_is_refused(store: Store) -> None:
    """EventLoopError before any error of an SDK; the loop that came first goes on."""
    await store.provision()
    await CALLS["write"](store)

    async def failure(call: Callable[[Store], Awaitable[object]]) -> Exception | None:
        try:
            await call(store)
        except Exception as error:  # noqa: BLE001 - which one is the question
            return error
        return None

    for name, call in CALLS.items():
        error = await to_thread.run_sync(asyncio.run, failure(call))
        assert isinstance(error, EventLoopError), (name, repr(error))
    found = await store.config.get(GLOBAL, "key")
    assert found is not None
