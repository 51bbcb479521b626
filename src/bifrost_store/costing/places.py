"""Where charges are measured: the project's emulator, started for it, or the account that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Final

from pydantic import SecretStr

from bifrost_store.backends.registry import PRICED, place_of
from bifrost_store.core.clock import utc_now
from bifrost_store.errors import MissingDependencyError
from bifrost_store.opening.store import open_store
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store

_RETENTION: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Place:
    """A store to measure.

    Attributes:
        name: What answers, without secrets.
        is_model: It is no account of Azure's.
        is_own: Nobody else uses it: it may be provisioned and purged, and is thrown away.
        expire: Lets every execution in it expire; None where that is not ours to do.
    """

    store: Store
    name: str
    is_model: bool
    is_own: bool
    expire: Callable[[], None] | None = None


@asynccontextmanager
async def emulated() -> AsyncIterator[Place]:
    """Give a store on an emulator of its own, with the account's consistency that the library asks for, and a folder for blobs.

    Raises:
        MissingDependencyError: A library of the emulator or of the backend is missing.
    """
    try:
        from bifrost_store.emulator import CosmosEmulator, Options  # noqa: PLC0415 - its libraries are an extra
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"the emulator needs {error.name}: pip install 'bifrost-store[emulator]'") from error
    clock = NoonClock()
    options = Options(is_serverless=True, consistency="Strong")
    with TemporaryDirectory(prefix="bifrost-store-cost-") as folder:
        async with CosmosEmulator(options=options) as emulator:
            settings = StoreSettings(
                backend=PRICED,
                cosmos_connection_string=SecretStr(emulator.connection_string),
                blob_folder=folder,
                execution_retention_days=_RETENTION.days,
            )
            async with open_store(settings, clock=clock) as store:
                name = "the project's Cosmos DB emulator"
                yield Place(store, name, is_model=True, is_own=True, expire=lambda: clock.advance(2 * _RETENTION))


@asynccontextmanager
async def account(settings: StoreSettings | None = None) -> AsyncIterator[Place]:
    """Give the store on the Cosmos DB account of *settings*, by default those of the environment, whatever backend they name.

    Raises:
        ConfigurationError: They name no account.
    """
    settings = (settings or StoreSettings.from_environment()).model_copy(
        update={"backend": PRICED, "execution_retention_days": _RETENTION.days}
    )
    async with open_store(settings) as store:
        yield Place(store, place_of(settings, PRICED), is_model=False, is_own=False)


class NoonClock:
    """A clock that begins at noon, and is moved ahead on demand: what figures cost depends on the hours that a day has had."""

    def __init__(self) -> None:
        now = utc_now()
        self._ahead = now.replace(hour=12, minute=0, second=0, microsecond=0) - now

    def __call__(self) -> datetime:
        return utc_now() + self._ahead

    def advance(self, by: timedelta) -> None:
        self._ahead += by
