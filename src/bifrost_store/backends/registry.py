"""Backends by name, imported when they are first opened."""

from __future__ import annotations

import importlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from bifrost_store.backends import cosmos, sqlite, table
from bifrost_store.backends.facts import BackendFacts
from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.core.installed import installed_backends
from bifrost_store.core.retention import Recorded
from bifrost_store.core.spec import FeedName, Specs
from bifrost_store.errors import ConfigurationError, CorruptDocumentError, MissingDependencyError
from bifrost_store.settings import StoreSettings, variable_name

if TYPE_CHECKING:
    from bifrost_store.core.feed import FeedItem

BACKENDS: Final[Mapping[str, BackendFacts]] = {facts.name: facts for facts in (sqlite.FACTS, table.FACTS, cosmos.FACTS)}
LEASED: Final = frozenset(name for name, facts in BACKENDS.items() if facts.is_leased)
"""Stores that a migration can be about; others hold neither leases nor control documents."""
EMBEDDED: Final = sqlite.FACTS.name
"""Needs no service."""
SOURCE: Final = table.FACTS.name
TARGET: Final = cosmos.FACTS.name
"""From where to where a migration leads."""
PRICED: Final = cosmos.FACTS.name
"""The backend whose calls have a price each."""
TRIGGERED: Final = cosmos.FACTS.name
"""The backend whose change feeds Azure Functions has triggers for."""
RAW_ROWS: Final = table.FACTS.name
"""The backend with `RawRows`, in whose form the platform's data sets are."""


class BackendFactory:
    """Opens backends and blob stores, and closes at the end what it made besides: credentials, temporary folders.

    Attributes:
        recorded: What its backends know of the retention of a migration; for whoever reads the control document to tell.
    """

    def __init__(self, settings: StoreSettings, specs: Specs, clock: Clock, stack: AsyncExitStack) -> None:
        self.recorded = Recorded()
        self._settings = settings
        self._specs = specs
        self._clock = clock
        self._stack = stack
        self._credential: Any = None

    def backend(self, name: str) -> Backend:
        """Return a new backend; nothing is connected to yet.

        Raises:
            ConfigurationError: Its settings are missing or malformed.
            MissingDependencyError: Its extra is not installed.
        """
        match name:
            case "sqlite":
                return self._sqlite()
            case "table":
                return self._table()
            case "cosmos":
                return self._cosmos()
        if name in installed_backends():
            from bifrost_store.backends.installed import open_installed  # noqa: PLC0415 - for those who have one

            return open_installed(name, self._specs, self._clock)
        raise ConfigurationError(f"unknown backend {name!r}; one of {', '.join(known_backends())}")

    def _sqlite(self) -> Backend:
        if not self._settings.is_configured("sqlite"):
            # The default file is for those who chose SQLite; a flag must not send data to a file that nobody named.
            raise ConfigurationError(f"the sqlite backend has no file; set {variable_name('sqlite_path')}")
        module = importlib.import_module("bifrost_store.backends.sqlite.backend")
        backend: Backend = module.SqliteBackend(self._settings.sqlite_path, self._specs, clock=self._clock)
        return backend

    def _table(self) -> Backend:
        settings = self._settings
        module = _import("bifrost_store.backends.table.backend", "table")
        options: dict[str, Any] = {"clock": self._clock, "recorded": self.recorded}
        _import("aiohttp", "table")  # What the SDK sends its requests with: it would be missed at the first one only.
        if settings.table_connection_string is not None:
            secret = settings.table_connection_string.get_secret_value()
            made: Backend = module.TableBackend.from_connection_string(secret, self._specs, **options)
            return made
        if settings.table_endpoint is not None:
            made = module.TableBackend.from_endpoint(settings.table_endpoint, self._identity(), self._specs, **options)
            return made
        names = f"{variable_name('table_connection_string')} or {variable_name('table_endpoint')}"
        raise ConfigurationError(f"the table backend has no account; set {names}")

    def _cosmos(self) -> Backend:
        settings = self._settings
        _import("azure.cosmos.aio", "cosmos")
        _import("aiohttp", "cosmos")
        module = _import("bifrost_store.backends.cosmos.backend", "cosmos")
        options: dict[str, Any] = {"database": settings.cosmos_database, "clock": self._clock}
        if settings.cosmos_connection_string is not None:
            secret = settings.cosmos_connection_string.get_secret_value()
            made: Backend = module.CosmosBackend.from_connection_string(secret, self._specs, **options)
            return made
        if settings.cosmos_endpoint is not None:
            made = module.CosmosBackend.from_endpoint(settings.cosmos_endpoint, self._identity(), self._specs, **options)
            return made
        names = f"{variable_name('cosmos_connection_string')} or {variable_name('cosmos_endpoint')}"
        raise ConfigurationError(f"the cosmos backend has no account; set {names}")

    def blobs(self, backend: str) -> BlobStore:
        """Return a new blob store that goes with *backend*: the place given for blobs, else what lies beside the records.

        Cosmos DB has no blobs: beside its records lies the table's account, where there is one.

        Raises:
            ConfigurationError: No place is given, or its settings are malformed.
            MissingDependencyError: Its extra is not installed.
        """
        settings = self._settings
        if settings.blob_folder is not None:
            return FolderBlobStore(Path(settings.blob_folder))
        if settings.blob_connection_string or settings.blob_endpoint:
            return self._azure_blobs(settings.blob_connection_string, settings.blob_endpoint, backend)
        if backend == "sqlite":
            return FolderBlobStore(self._folder())
        endpoint = settings.table_endpoint or ""
        beside = endpoint.replace(".table.", ".blob.", 1)
        return self._azure_blobs(settings.table_connection_string, beside if beside != endpoint else None, backend)

    def _azure_blobs(self, connection_string: SecretStr | None, endpoint: str | None, backend: str) -> BlobStore:
        if connection_string is None and endpoint is None:
            names = ", ".join(map(variable_name, ("blob_connection_string", "blob_endpoint")))
            raise ConfigurationError(f"there is no place for payload blobs; set {names} or {variable_name('blob_folder')}")
        module = _import("bifrost_store.blobs.azure", "cosmos" if backend == "cosmos" else "table")
        if connection_string is not None:
            made: BlobStore = module.AzureBlobStore.from_connection_string(connection_string.get_secret_value())
        else:
            made = module.AzureBlobStore.from_endpoint(endpoint, self._identity())
        return made

    def _folder(self) -> Path:
        path = self._settings.sqlite_path
        if path != ":memory:":
            return Path(f"{path}.blobs")
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bifrost-store-")))

    def _identity(self) -> Any:
        if self._credential is None:
            self._credential = azure_credential()
            self._stack.push_async_callback(self._credential.close)
        return self._credential


def azure_credential() -> Any:
    """Return the identity that the environment gives: of the application in Azure, of a developer who is signed in. Close it.

    Raises:
        MissingDependencyError: The extra ``identity`` is not installed.
    """
    return _import("azure.identity.aio", "identity").DefaultAzureCredential()


def read_feed_items(feed: FeedName, documents: Sequence[Mapping[str, Any]]) -> tuple[list[FeedItem], list[CorruptDocumentError]]:
    """Return what documents that a trigger handed over hold, as `bifrost_store.backends.cosmos.feed_items` tells.

    Raises:
        MissingDependencyError: The extra ``cosmos`` is not installed.
    """
    module = _import("bifrost_store.backends.cosmos.feed_items", TRIGGERED)
    found: tuple[list[FeedItem], list[CorruptDocumentError]] = module.read_feed_items(feed, documents)
    return found


def known_backends() -> list[str]:
    """Return the names of every backend that can be chosen: this library's, and those that other packages bring."""
    return [*BACKENDS, *sorted(installed_backends().keys() - BACKENDS.keys())]


def configured_backends(settings: StoreSettings) -> list[str]:
    """Return the names of the backends that *settings* say enough about to be opened."""
    return [name for name in known_backends() if settings.is_configured(name)]


def place_of(settings: StoreSettings, backend: str) -> str:
    """Return a line that names *backend* and its file, account or database, the same for the same data; without secrets."""
    if backend == "sqlite":
        path = settings.sqlite_path
        return f"sqlite {path if path == ':memory:' else Path(path).absolute()}"
    if backend not in BACKENDS:
        from bifrost_store.backends.installed import place_of_installed  # noqa: PLC0415 - for those who have one

        return place_of_installed(backend)
    endpoint: str | None = getattr(settings, f"{backend}_endpoint", None)
    secret: SecretStr | None = getattr(settings, f"{backend}_connection_string", None)
    if endpoint is None and secret is not None:
        parts = {name: value for name, _, value in (part.partition("=") for part in secret.get_secret_value().split(";"))}
        endpoint = parts.get("TableEndpoint") or parts.get("AccountEndpoint") or parts.get("AccountName")
    # A connection string that was given as endpoint ends at its first part, and a signature at the question mark.
    place = f"{backend} {re.split('[?;]', endpoint or '')[0].rstrip('/') or 'account'}"
    if backend != "cosmos":
        return place
    # A connection string of the portal names the port, an endpoint mostly does not.
    return f"{place.removesuffix(':443')} {settings.cosmos_database}"


def _import(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(f"{error.name} is not installed; pip install 'bifrost-store[{extra}]'") from error
