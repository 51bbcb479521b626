"""The harness of Cosmos DB: the project's emulator, or the account that the environment names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, ClassVar, Final
from unittest.mock import patch
from uuid import uuid4

import anyio.lowlevel
import pytest
from aiohttp import web
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.cosmos.aio import CosmosClient

from bifrost_store.backends import settling
from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.backends.cosmos.layout import CONTAINERS, ContainerLayout
from bifrost_store.backends.cosmos.provisioning import provision
from bifrost_store.backends.cosmos.scan import RECORD_CONTAINERS
from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.documents import SPECS
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.settings import StoreSettings
from bifrost_store.testing.fault_proxy import Answer, DropAfter, FaultProxy, Freeze, Reaction, SeenRequest
from bifrost_store.testing.harness import Fault
from tests.contract.closing import closing
from tests.contract.meeting import OF_CONNECTIONS, meeting
from tests.emulator.support import Wire

CONNECTION_VARIABLE: Final = "BIFROST_STORE_COSMOS_CONNECTION_STRING"
"""Names another server than the emulator, by the setting that the library itself has."""
NO_FAULTS: Final = f"what {CONNECTION_VARIABLE} names does not fail on demand"


@dataclass(frozen=True, slots=True)
class CosmosServer:
    """A server that the tests share.

    Attributes:
        connection_string: Where it is, and its key.
        emulator: The project's own, if it is that: then faults can be had.
        wire: A connection to that.
    """

    connection_string: str
    emulator: CosmosEmulator | None
    wire: Wire | None = None
    _made: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return self._parts["AccountEndpoint"]

    @property
    def key(self) -> str:
        return self._parts["AccountKey"]

    @property
    def _parts(self) -> dict[str, str]:
        return dict(part.split("=", 1) for part in self.connection_string.split(";") if part)

    def faulty(self) -> CosmosEmulator:
        """Return the emulator, or skip a test that cannot do without."""
        if self.emulator is None:
            pytest.skip(NO_FAULTS)
        return self.emulator

    @asynccontextmanager
    async def empty_database(self) -> AsyncIterator[str]:
        """Yield the name of a database with all containers and nothing in them.

        The emulator makes a new one in milliseconds. Elsewhere, where that takes its time, one serves all tests, one after the
        other.
        """
        if self.wire is None:
            yield await self._emptied_database()
            return
        name = f"contract-{uuid4().hex}"
        self.wire.send("POST", "/dbs", {"id": name})
        for layout in CONTAINERS.values():
            assert self.wire.send("POST", f"/dbs/{name}/colls", properties_of(layout)).status == 201
        try:
            yield name
        finally:
            self.wire.send("DELETE", f"/dbs/{name}")

    async def _emptied_database(self) -> str:
        if not self._made:
            self._made.append(f"contract-{uuid4().hex[:8]}")
        (name,) = self._made
        async with CosmosClient(self.endpoint, self.key) as client:
            await provision(client, name)
            for layout in CONTAINERS.values():
                container = client.get_database_client(name).get_container_client(layout.name)
                key = layout.partition_key.removeprefix("/")
                async for document in container.query_items(f"SELECT c.id, c.{key} FROM c"):
                    await container.delete_item(document["id"], document[key])
        return name

    async def tidy(self) -> None:
        """Delete what the tests have made on a server that outlives them."""
        while self._made:
            async with CosmosClient(self.endpoint, self.key) as client:
                await client.delete_database(self._made.pop())


def properties_of(layout: ContainerLayout) -> dict[str, Any]:
    """Return what a container is made with, over the wire."""
    ttl = {} if layout.default_ttl is None else {"defaultTtl": layout.default_ttl}
    return {"id": layout.name, "partitionKey": layout.key_definition, "indexingPolicy": layout.indexing_policy, **ttl}


@contextmanager
def run_server() -> Iterator[CosmosServer]:
    """Yield the server that the environment names; without one an emulator in this process, on a thread of its own."""
    elsewhere = os.environ.get(CONNECTION_VARIABLE)
    if elsewhere:
        yield CosmosServer(elsewhere, None)
        return
    with CosmosEmulator(options=Options(consistency="Strong", is_serverless=True)) as emulator, Wire(emulator) as wire:
        yield CosmosServer(emulator.connection_string, emulator, wire)


@dataclass(frozen=True)
class CosmosStore:
    """The containers of one database, and blobs in a folder."""

    backend: Backend
    blobs: BlobStore
    server: CosmosServer
    database: str
    clock: Clock

    @asynccontextmanager
    async def open_another(self) -> AsyncIterator[Backend]:
        async with closing(_over(self.server, self.database, self.clock)) as backend:
            yield backend

    @asynccontextmanager
    async def open_broken(self, fault: Fault, then: Fault | None = None) -> AsyncIterator[Backend]:
        if fault is Fault.NOT_PROVISIONED:
            await self.delete_containers()
        is_late = Fault.TIMEOUT in (fault, then)
        patience = {"read_timeout": SHORT_SECONDS} if is_late else {}
        async with self.proxied(**patience) as scene, meeting(scene.proxy, fault, then, _REACTION_TO_FAULT):
            with patch.object(settling, "_ATTEMPTS", 2 if is_late else settling._ATTEMPTS):
                yield scene.broken

    @asynccontextmanager
    async def proxied(self, **options: Any) -> AsyncIterator[Scene]:
        """Yield a proxy, and a backend that reaches the server through it; *options* are those of the SDK."""
        emulator = self.server.faulty()
        async with FaultProxy(self.server.endpoint) as proxy:
            with hurried() as waits:
                async with self.opened(proxy.url, **{**_PATIENT, **options}) as backend:
                    yield Scene(self, proxy, backend, emulator, waits)

    @asynccontextmanager
    async def opened(self, endpoint: str | None = None, **options: Any) -> AsyncIterator[Backend]:
        """Yield a backend whose SDK has other *options* than the library gives it."""
        where = endpoint or self.server.endpoint
        inner = CosmosBackend(
            lambda **given: CosmosClient(where, self.server.key, **{**given, **options}), self.database, SPECS, clock=self.clock
        )
        async with closing(inner) as backend:
            yield backend

    @asynccontextmanager
    async def client(self) -> AsyncIterator[CosmosClient]:
        """Yield a client of the test's own."""
        async with CosmosClient(self.server.endpoint, self.server.key) as client:
            yield client

    def settings(self, endpoint: str | None = None, *, blobs: str | None = None) -> StoreSettings:
        """Return how another process opens it, maybe through a proxy, with *blobs* in some account."""
        where = f"AccountEndpoint={endpoint or self.server.endpoint};AccountKey={self.server.key};"
        return StoreSettings(
            backend="cosmos", cosmos_connection_string=where, cosmos_database=self.database, blob_connection_string=blobs
        )

    async def content(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """Return every record's document by container, scope and id, without what each write makes anew."""
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        async with self.client() as client:
            for name in RECORD_CONTAINERS:
                container = client.get_database_client(self.database).get_container_client(name)
                async for document in container.read_all_items():
                    kept = {key: value for key, value in document.items() if not key.startswith("_")}
                    kept["meta"] = {key: value for key, value in kept["meta"].items() if key not in ("writeId", "digest")}
                    if "blobs" in kept:
                        kept |= {"blobs": sorted(kept["blobs"]), "creationId": None}
                    found[name, document["scope"], document["id"]] = kept
        return found

    async def delete_containers(self, *names: str) -> None:
        """Delete the containers of these *names*, or all."""
        async with self.client() as client:
            for name in names or CONTAINERS:
                await client.get_database_client(self.database).delete_container(name)


@dataclass(frozen=True, slots=True)
class Scene:
    """A sound store, and a handle on it that goes through a proxy.

    Attributes:
        waits: How long the SDK would have waited before sending again, in seconds; it does not.
    """

    store: CosmosStore
    proxy: FaultProxy
    broken: Backend
    emulator: CosmosEmulator
    waits: list[float]


SHORT_SECONDS: Final = 1.0
"""To wait for an answer where none is to come in time; elsewhere ten, as a busy machine is no fault."""
_PATIENT: Final[Mapping[str, Any]] = {"read_timeout": 10}


@contextmanager
def hurried() -> Iterator[list[float]]:
    """Let nobody wait before sending again, neither the SDK nor the library; yield how long the SDK would have, in seconds."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await anyio.lowlevel.checkpoint()

    async def sleep_of_transport(_: AsyncHttpTransport[Any, Any], duration: float) -> None:
        await sleep(duration)

    with (
        patch("azure.cosmos.aio._retry_utility_async.asyncio", SimpleNamespace(sleep=sleep)),
        patch.object(AsyncHttpTransport, "sleep", sleep_of_transport),
        patch.object(settling, "_FIRST_PAUSE_SECONDS", 0.001),
    ):
        yield waits


class Refusal(Answer):
    """Answers in the service's place, as Cosmos DB does.

    Args:
        status: Of the answer.
        sub_status: What narrows it down.
        retry_after_ms: When to come back, if it says so.
    """

    def __init__(self, status: int, sub_status: int = 0, retry_after_ms: int | None = None) -> None:
        wait = {} if retry_after_ms is None else {"x-ms-retry-after-ms": str(retry_after_ms)}
        super().__init__(status, headers={"x-ms-substatus": str(sub_status), **wait})


class LateRefusal(Refusal):
    """Answers so although the service has done what was asked."""

    async def before(self, request: SeenRequest) -> None:  # type: ignore[override]
        return None

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        return await Refusal.before(self, request)


_REACTION_TO_FAULT: Final[Mapping[Fault, Reaction]] = {
    Fault.TIMEOUT: Freeze(),
    Fault.THROTTLED: Refusal(429, 3200, 7000),
    Fault.UNAVAILABLE: Refusal(503),
    Fault.DENIED: Refusal(403),
    Fault.TOO_LARGE: Refusal(413),
    Fault.NOT_PROVISIONED: Refusal(404, 1003),
    Fault.ANSWER_LOST: DropAfter(),
    Fault.FALSE_CONFLICT: Refusal(409),
    Fault.FALSE_MISMATCH: Refusal(412),
}


class CosmosHarness:
    """Databases of one server.

    Args:
        server: Used by one store at a time, unless it is the emulator.
    """

    name: ClassVar[str] = "cosmos"
    faults: ClassVar[frozenset[Fault]] = frozenset({*OF_CONNECTIONS, *_REACTION_TO_FAULT})
    powers: ClassVar[frozenset[str]] = frozenset({"execution_data", "feed"})

    def __init__(self, server: CosmosServer) -> None:
        self.server = server

    @asynccontextmanager
    async def open_empty(self, clock: Clock) -> AsyncIterator[CosmosStore]:
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="bifrost-store-")))
            database = await stack.enter_async_context(self.server.empty_database())
            backend = await stack.enter_async_context(closing(_over(self.server, database, clock)))
            yield CosmosStore(backend, FolderBlobStore(folder), self.server, database, clock)


def _over(server: CosmosServer, database: str, clock: Clock) -> CosmosBackend:
    return CosmosBackend.from_connection_string(server.connection_string, SPECS, database=database, clock=clock)
