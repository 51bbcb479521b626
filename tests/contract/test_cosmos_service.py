"""What the account has besides documents: request units, partitions, containers, limits, and who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.backends.cosmos.layout import CONTAINERS
from bifrost_store.backends.protocol import Backend
from bifrost_store.core.meter import metering
from bifrost_store.core.operations import Create
from bifrost_store.core.query import Query
from bifrost_store.core.record import Record
from bifrost_store.documents import SPECS
from bifrost_store.errors import AccessDeniedError, DocumentTooLargeError, NotProvisionedError, StoreError, ThrottledError
from bifrost_store.testing.bulk import create_all, everything, joined
from bifrost_store.testing.examples import ORGANIZATION, changed, config, execution, touched
from bifrost_store.testing.fault_proxy import SeenRequest
from bifrost_store.testing.strict import exactly
from tests.contract.closing import closing
from tests.contract.cosmos_harness import CosmosStore, Refusal, Scene, properties_of
from tests.innermost import innermost

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cosmos_only")]
_STORM = 10
"""How often the service may refuse one request before its caller hears of it."""


def is_about_documents(request: SeenRequest) -> bool:
    """Pick what is no metadata."""
    return "/docs" in request.path


READS: dict[str, Callable[[Backend], Awaitable[object]]] = {
    "get": lambda backend: backend.get(config().key),
    "query": lambda backend: backend.query(Query("execution", ORGANIZATION)),
    "aggregate": lambda backend: backend.aggregate(Query("execution", ORGANIZATION), group_by=("status",)),
    "scan": everything,
    "purge_expired": lambda backend: backend.purge_expired(kind="execution"),
}


# Request units


@pytest.mark.parametrize("operation", READS)
async def test_a_storm_of_refusals_ends(cosmos_scene: Scene, operation: str) -> None:
    """Refused for lack of request units again and again, a read gives up after ten requests, queries included."""
    await READS[operation](cosmos_scene.broken)
    cosmos_scene.proxy.clear()
    cosmos_scene.proxy.react(Refusal(429, 3200, 300), when=is_about_documents)
    with metering() as meter, pytest.raises(ThrottledError) as caught:
        await READS[operation](cosmos_scene.broken)

    assert caught.value.retry_after_seconds == 0.3
    assert len(cosmos_scene.proxy.seen) <= _STORM
    assert meter.requests["cosmos"] == len(cosmos_scene.proxy.seen)
    assert meter.retries == len(cosmos_scene.proxy.seen) - 1


@pytest.mark.parametrize("retry_after_ms", [None, 0, 300])
async def test_a_storm_that_passes_is_waited_out(cosmos_scene: Scene, retry_after_ms: int | None) -> None:
    """Some refusals for lack of request units are nobody's business; each wait is as long as the service says."""
    refusal = Refusal(429, 3200, retry_after_ms)
    cosmos_scene.proxy.react(refusal, times=4)
    created = await cosmos_scene.broken.create(config())
    cosmos_scene.proxy.react(refusal, times=4)
    await cosmos_scene.broken.batch([Create(config(key)) for key in "ab"])
    cosmos_scene.proxy.react(refusal, when=is_about_documents, times=4)
    assert exactly(await cosmos_scene.broken.get(created.key)) == exactly(created)
    cosmos_scene.proxy.react(refusal, when=is_about_documents, times=4)
    assert len(await joined(cosmos_scene.broken, Query("config", ORGANIZATION))) == 3

    assert cosmos_scene.waits == [(retry_after_ms or 0) / 1000] * 16


@pytest.mark.parametrize("operation", ["get", "query", "create", "batch"])
async def test_a_long_wait_is_left_to_the_caller(cosmos_scene: Scene, operation: str) -> None:
    """A service that asks for more than a handler can wait is not waited for: the caller hears how long."""
    await READS["query"](cosmos_scene.broken)
    calls: dict[str, Callable[[Backend], Awaitable[object]]] = {
        **READS,
        "create": lambda backend: backend.create(config()),
        "batch": lambda backend: backend.batch([Create(config(key)) for key in "ab"]),
    }
    cosmos_scene.proxy.react(Refusal(429, 3200, 60_000), when=is_about_documents)
    with pytest.raises(ThrottledError) as caught:
        await calls[operation](cosmos_scene.broken)

    assert caught.value.retry_after_seconds == 60
    assert sum(cosmos_scene.waits) <= 5


async def batches_until_refused(backend: Backend) -> int:
    """Write batches of 20 until one is refused; return how many were not."""
    for count in range(10):
        try:
            await backend.batch([Create(execution(100 + count * 20 + number)) for number in range(20)])
        except ThrottledError:
            return count
    raise AssertionError("no batch was refused")


async def test_an_account_out_of_request_units(cosmos_scene: Scene) -> None:
    """Beyond the account's throughput every call is done whole or raises ThrottledError; later all of it works."""
    emulator, backend = cosmos_scene.emulator, cosmos_scene.broken
    await backend.ping()
    emulator.ru_limit = 20
    written: list[Record] = []
    refused: list[ThrottledError] = []
    try:
        for number in range(20):
            try:
                written.append(await backend.create(execution(number)))
            except ThrottledError as error:
                refused.append(error)
        batches = await batches_until_refused(backend)
    finally:
        emulator.ru_limit = None

    assert written
    assert refused
    assert all(error.retry_after_seconds is not None and error.retry_after_seconds > 0 for error in refused)
    stored = await everything(cosmos_scene.store.backend)
    assert {record.key for record in written} == {key for key in stored if int(key.id.removeprefix("e-")) < 100}
    assert len(stored) == len(written) + 20 * batches


# Partitions that move


async def test_a_split_goes_unnoticed(cosmos_scene: Scene) -> None:
    """A physical partition that is split under a running client: every call goes on as before."""
    store, backend = cosmos_scene.store, cosmos_scene.broken
    scopes = [config(f"c-{number}", scope=config().key.scope) for number in range(40)]
    created = await create_all(backend, [*scopes, *[execution(number) for number in range(40)]])
    queries = [Query("execution", ORGANIZATION, limit=7), Query("execution", None, limit=7), Query("config", None, limit=9)]
    before = [[exactly(record) for record in await joined(backend, query)] for query in queries]
    groups = await backend.aggregate(Query("execution", None), group_by=("status",))
    for range_id in ("0", "1"):
        for container in ("entities", "executions"):
            cosmos_scene.emulator.split(store.database, container, range_id)
        assert [[exactly(record) for record in await joined(backend, query)] for query in queries] == before
        assert await backend.aggregate(Query("execution", None), group_by=("status",)) == groups
        assert (await everything(backend)).keys() == {record.key for record in created}
        assert exactly(await backend.get(created[0].key)) == exactly(created[0])
        created[0] = await backend.replace(touched(created[0]), created[0].etag)
        before = [[exactly(record) for record in await joined(backend, query)] for query in queries]


async def test_a_scan_goes_on_after_a_split(cosmos_scene: Scene) -> None:
    """A scan that was under way misses nothing and meets nothing twice; so does one that is resumed afterwards."""
    store, backend = cosmos_scene.store, cosmos_scene.broken
    created = {record.key for record in await create_all(backend, [config(f"c-{number:04}") for number in range(1200)])}
    seen: list[Any] = []
    tokens: list[str | None] = []
    async for page in backend.scan():
        if not tokens:
            cosmos_scene.emulator.split(store.database, "entities")
        seen += [record.key for record in page.records]
        tokens.append(page.resume_token)
    assert sorted(map(str, seen)) == sorted(map(str, created))
    first = len(seen) - sum([len(page.records) async for page in backend.scan(tokens[0])])
    assert 0 < first < len(created)


# Who may ask


@pytest.mark.parametrize("key", ["c2VjcmV0LXMzY3IzdA==", "not base64", "é", ""])
async def test_a_wrong_key_is_denied(cosmos_scene: Scene, key: str) -> None:
    """Another account's key, or none, is refused without being shown."""
    try:
        backend = CosmosBackend.from_connection_string(
            f"AccountEndpoint={cosmos_scene.store.server.endpoint};AccountKey={key};", SPECS, database=cosmos_scene.store.database
        )
    except StoreError as error:
        assert not key or key not in f"{error!r} {error.__cause__!r}"
        return
    async with closing(backend) as denied:
        for call in (denied.get(config().key), denied.create(config()), denied.ping(), denied.query(Query("config", ORGANIZATION))):
            with pytest.raises(AccessDeniedError) as caught:
                await call
            assert key not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"


async def test_a_clock_that_is_wrong_is_denied(cosmos_scene: Scene) -> None:
    """A machine whose clock is far off is refused by the service, and says so."""
    cosmos_scene.emulator.clock.token_skew = 7200
    try:
        with pytest.raises(AccessDeniedError):
            await cosmos_scene.broken.create(config())
    finally:
        cosmos_scene.emulator.clock.token_skew = 0


class _Expired:
    """A credential whose login has expired."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        raise ClientAuthenticationError("s3cr3t: the refresh token has expired")

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> _Expired:
        return self

    async def __aexit__(self, *details: object) -> None:
        pass


async def test_an_expired_credential_is_a_clear_error() -> None:
    """Where no token can be had, nothing is asked of the service, and the error says what to look at."""
    inner = CosmosBackend.from_endpoint("https://127.0.0.1:9/", _Expired(), SPECS)
    async with closing(inner) as backend:
        for call in (backend.get(config().key), backend.create(config()), backend.ping()):
            with pytest.raises(AccessDeniedError, match="identity") as caught:
                await call
            assert "s3cr3t" not in f"{caught.value!r} {caught.value}"


# Containers


CALLS: dict[str, Callable[[Backend, Record], Awaitable[object]]] = {
    "get": lambda backend, record: backend.get(record.key),
    "query": lambda backend, _: backend.query(Query("config", ORGANIZATION)),
    "query of all scopes": lambda backend, _: backend.query(Query("config", None)),
    "aggregate": lambda backend, _: backend.aggregate(Query("config", ORGANIZATION)),
    "scan": lambda backend, _: everything(backend),
    "purge_expired": lambda backend, _: backend.purge_expired(kind="config"),
    "create": lambda backend, _: backend.create(config("new")),
    "replace": lambda backend, record: backend.replace(touched(record), record.etag),
    "delete": lambda backend, record: backend.delete(record.key),
    "apply": lambda backend, record: backend.apply(replace(touched(record), version=record.version.next())),
    "batch": lambda backend, _: backend.batch([Create(config(key)) for key in "ab"]),
    "ping": lambda backend, _: backend.ping(),
}


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[tuple[CosmosStore, Backend, Record]]:
    """Yield a backend that has been in use for a while, and what it has stored."""
    async with scene.store.open_another() as backend:
        record = await backend.create(config())
        for call in ("get", "query", "query of all scopes", "aggregate", "ping"):
            await CALLS[call](backend, record)
        yield scene.store, backend, record


@pytest.mark.parametrize("call", CALLS)
async def test_a_container_deleted_under_a_running_client(cosmos_scene: Scene, call: str) -> None:
    """Every call says that something is missing; once it was made anew, the same handle works on it."""
    async with running(cosmos_scene) as (store, backend, record):
        await store.delete_containers("entities")
        with pytest.raises(NotProvisionedError, match="init"):
            await CALLS[call](backend, record)
        await backend.provision()
        created = await backend.create(config("again"))

        assert exactly(await backend.get(created.key)) == exactly(created)
        assert (await everything(backend)).keys() == {created.key}


@pytest.mark.parametrize("call", CALLS)
async def test_a_container_made_anew_under_a_running_client(cosmos_scene: Scene, call: str) -> None:
    """Deleted and made anew between two calls, a container is empty, and every call works on it or says what is gone."""
    async with running(cosmos_scene) as (store, backend, record):
        await store.delete_containers("entities")
        await store.backend.provision()
        if call == "replace":
            with pytest.raises(StoreError, match="does not exist"):
                await CALLS[call](backend, record)
        else:
            await CALLS[call](backend, record)
        found = await everything(store.backend)

    written = {"create": {"new"}, "apply": {"theme"}, "batch": {"a", "b"}}
    assert {key.id for key in found} == written.get(call, set())


async def make_anew(store: CosmosStore, name: str, **properties: Any) -> None:
    """Replace a container by one with other properties."""
    wire = store.server.wire
    assert wire is not None
    await store.delete_containers(name)
    assert wire.send("POST", f"/dbs/{store.database}/colls", {**properties_of(CONTAINERS[name]), **properties}).status == 201


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "new"])
async def test_a_container_with_another_partition_key(cosmos_scene: Scene, is_running: bool) -> None:
    """Writes are refused with what is wrong and what to do, ping says it too, and init changes nothing about it."""
    store = cosmos_scene.store
    async with store.open_another() as backend:
        if is_running:
            await backend.create(config())
        await make_anew(store, "entities", partitionKey={"paths": ["/other"], "kind": "Hash", "version": 2})
        for call in ("create", "batch", "apply"):
            with pytest.raises(NotProvisionedError, match="partition key"):
                await CALLS[call](backend, config())
        await backend.provision()

        with pytest.raises(NotProvisionedError, match="partition key is /other"):
            await backend.ping()
        with pytest.raises(NotProvisionedError, match="partition key"):
            await backend.create(config())


async def test_a_container_with_another_ttl(cosmos_scene: Scene) -> None:
    """What is stored does not depend on the container's TTL, as documents name theirs; the difference can be asked for."""
    store = cosmos_scene.store
    await make_anew(store, "executions", defaultTtl=60)
    created = await store.backend.create(execution(1))
    cosmos_scene.emulator.clock.advance(3600)
    try:
        assert exactly(await store.backend.get(created.key)) == exactly(created)
    finally:
        cosmos_scene.emulator.clock.reset()

    (difference,) = await innermost(store.backend).layout.differences()
    assert "default TTL is 60" in str(difference)


@pytest.mark.parametrize("write", ["create", "replace", "apply", "batch", "batch of many"])
async def test_a_document_over_two_megabytes(cosmos_scene: Scene, write: str) -> None:
    """What the service does not take is too large, alone or with others; nothing is written, and nothing of it is shown."""
    inner = innermost(cosmos_scene.broken)  # the library's own limit comes earlier
    stored = await cosmos_scene.store.backend.create(config("stored"))
    large = changed(config(), value="x" * 2_200_000)
    writes: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: inner.create(large),
        "replace": lambda: inner.replace(changed(stored, value="x" * 2_200_000), stored.etag),
        "apply": lambda: inner.apply(replace(large, version=stored.version)),
        "batch": lambda: inner.batch([Create(config("small")), Create(large)]),
        "batch of many": lambda: inner.batch([Create(changed(config(key), value="x" * 800_000)) for key in "abc"]),
    }
    with pytest.raises(DocumentTooLargeError) as caught:
        await writes[write]()

    assert "xxx" not in f"{caught.value!r} {caught.value}"
    assert await everything(cosmos_scene.store.backend) == {stored.key: stored}
