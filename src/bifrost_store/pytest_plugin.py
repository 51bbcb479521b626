"""What pytest offers once this library is installed: the fixtures ``store`` and ``blocking_store``, and ``--bifrost-backend``.

Nothing is imported or opened before a test asks for one of the fixtures. A fixture of the same name in a ``conftest.py`` of yours
takes the place of one of these. It lies outside of `bifrost_store.testing`, whose assertions a ``conftest.py`` has pytest rewrite
before it is first imported.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from bifrost_store.blocking import BlockingStore
    from bifrost_store.settings import StoreSettings
    from bifrost_store.store import Store

_NAMES: Final = ("sqlite", "table", "cosmos")
_ACCOUNTS = 250
"""Of one Azurite, one for each test: it is told their names at its start, in one variable of its environment."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--bifrost-backend``."""
    text = "what the fixtures store and blocking_store are kept in (repeatable); by default sqlite, in memory"
    parser.getgroup("bifrost-store").addoption("--bifrost-backend", action="append", choices=_NAMES, help=text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that takes a store once for each backend that was asked for."""
    if "bifrost_backend" in metafunc.fixturenames:
        metafunc.parametrize("bifrost_backend", metafunc.config.getoption("--bifrost-backend") or ["sqlite"])


@pytest.fixture(scope="session")
def bifrost_azurite() -> Iterator[Iterator[str]]:
    """Connection strings of empty accounts, one after the other; an Azurite is started when it is first asked for one."""
    with ExitStack() as stack:
        yield _empty_accounts(stack)


def _empty_accounts(stack: ExitStack) -> Iterator[str]:
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415 - pytest is not to wait for it, nor for what follows

    from bifrost_store.demo.azurite import run_azurite  # noqa: PLC0415

    portal = stack.enter_context(start_blocking_portal())
    accounts = [f"test{number}" for number in range(_ACCOUNTS)]
    while True:
        azurite = stack.enter_context(portal.wrap_async_context_manager(run_azurite(accounts=accounts)))
        yield from map(azurite.connection_string_of, accounts)


@pytest.fixture
def store_settings(bifrost_backend: str, tmp_path: Path, bifrost_azurite: Iterator[str]) -> Iterator[StoreSettings]:
    """Settings of an empty store of the test's own: in memory, in an account of Azurite or in a Cosmos DB emulator."""
    from bifrost_store.settings import StoreSettings  # noqa: PLC0415

    if bifrost_backend == "sqlite":
        yield StoreSettings(backend="sqlite", sqlite_path=":memory:", blob_folder=str(tmp_path / "blobs"))
    elif bifrost_backend == "table":
        yield _settings(backend="table", table_connection_string=next(bifrost_azurite))
    else:
        from bifrost_store.emulator.server import CosmosEmulator  # noqa: PLC0415

        with CosmosEmulator() as emulator:
            folder = str(tmp_path / "blobs")
            yield _settings(backend="cosmos", cosmos_connection_string=emulator.connection_string, blob_folder=folder)


def _settings(**values: Any) -> StoreSettings:
    from bifrost_store.settings import StoreSettings  # noqa: PLC0415

    return StoreSettings.model_validate(values)


@pytest.fixture
async def store(store_settings: StoreSettings) -> AsyncIterator[Store]:
    """An empty store, provisioned, on the event loop of the test."""
    from bifrost_store.opening.store import open_store  # noqa: PLC0415

    async with open_store(store_settings) as opened:
        await opened.provision()
        yield opened


@pytest.fixture
def blocking_store(store_settings: StoreSettings) -> Iterator[BlockingStore]:
    """An empty store, provisioned, for tests that do not await."""
    from bifrost_store.blocking import open_store_blocking  # noqa: PLC0415

    with open_store_blocking(store_settings) as opened:
        opened.provision()
        yield opened
