"""`RoutedBackend`: which backend each call reaches, and what a flip of the flag changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryProvider

from bifrost_store import GLOBAL, ConfigType, Scope, StoreSettings, open_store
from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Create, Operation, Result, name_of
from bifrost_store.core.page import Page
from bifrost_store.core.query import Eq, Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.documents import SPECS
from bifrost_store.errors import (
    BackendUnavailableError,
    ConfigurationError,
    InvalidContinuationTokenError,
    InvalidRequestError,
    StoreError,
)
from bifrost_store.routing.flag import BackendFlag
from bifrost_store.routing.router import RoutedBackend
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, config, execution
from bifrost_store.testing.model import ModelBackend

pytestmark = pytest.mark.anyio

NAMES = ("sqlite", "table")


class ScopeProvider(InMemoryProvider):
    """A dynamic provider: one backend per scope, changed while stores are open."""

    def __init__(self, default: str = "sqlite", **by_scope: str) -> None:
        super().__init__({})
        self.default = default
        self.by_scope = by_scope

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        await anyio.lowlevel.checkpoint()
        assert evaluation_context is not None
        return FlagResolutionDetails(self.by_scope.get(evaluation_context.targeting_key or "", self.default))


class NamedBackend(ModelBackend):
    """Notes its calls."""

    def __init__(self, name: str, clock: SettableClock) -> None:
        super().__init__(clock=clock)
        self._name = name
        self.calls: Counter[str] = Counter()
        self.failure: StoreError | None = None
        self.is_closed = False

    @property
    def name(self) -> str:
        return self._name

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        self.calls[name_of(operations)] += 1
        return await super().write(operations, attempt=attempt)

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        self.calls["get"] += 1
        if self.failure is not None:
            raise self.failure
        return await super().get(key, fallback=fallback)

    async def query(self, query: Query) -> Page[Record]:
        self.calls["query"] += 1
        return await super().query(query)

    async def aclose(self) -> None:
        self.is_closed = True
        if self.failure is not None:
            raise self.failure


class Rig:
    """Two backends, a provider in front of them, and the router over both."""

    def __init__(self, folder: Path, names: Sequence[str] = NAMES) -> None:
        self.clock = SettableClock()
        self.opened: list[str] = []
        self.models = {name: NamedBackend(name, self.clock) for name in NAMES}
        self.stores = {name: FolderBlobStore(folder / name) for name in NAMES}
        self.provider = ScopeProvider()
        api.set_provider(self.provider, "test_router")
        flag = BackendFlag("sqlite", api.get_client("test_router"))
        self.router = RoutedBackend(flag, names, self._open, lambda name: self.stores[name], SPECS, can_open=NAMES.__contains__)

    def _open(self, name: str) -> Backend:
        self.opened.append(name)
        return self.models[name]

    def send(self, scope: Scope, backend: str) -> None:
        self.provider.by_scope[scope.value] = backend

    async def everything(self, query: Query, limit: int) -> list[Record]:
        records: list[Record] = []
        token: str | None = None
        while True:
            page = await self.router.query(replace(query, limit=limit, continuation_token=token))
            token = page.continuation_token
            assert token is None or len(page) == limit
            records += page
            if token is None:
                return records


@pytest.fixture
def rig(tmp_path: Path) -> Any:
    yield Rig(tmp_path)
    api.clear_providers()


def test_the_router_is_a_backend(rig: Rig) -> None:
    """It has every method of the waist."""
    assert isinstance(rig.router, Backend)


async def test_each_scope_goes_where_the_flag_sends_it(rig: Rig) -> None:
    """Writes and reads of a scope reach its own backend and no other."""
    rig.send(ORGANIZATION, "table")
    await rig.router.create(config("a", scope=ORGANIZATION))
    await rig.router.create(config("b", scope=GLOBAL))
    await rig.router.batch([Create(config("c", scope=ORGANIZATION)), Create(config("d", scope=ORGANIZATION))])

    assert {"a", "c", "d"} == {r.key.id for r in await rig.models["table"].query(Query("config", None))}
    assert {"b"} == {r.key.id for r in await rig.models["sqlite"].query(Query("config", None))}
    assert ["a", "c", "d"] == [r.key.id for r in await rig.router.query(Query("config", ORGANIZATION))]


async def test_a_flip_needs_no_restart(rig: Rig) -> None:
    """The call after a flip goes to the other backend, with records carried over by apply and an etag from before."""
    stored = await rig.router.create(config())
    await rig.models["table"].apply(stored)
    rig.send(ORGANIZATION, "table")

    changed = await rig.router.replace(stored, stored.etag)

    assert (2, 1) == (changed.version.revision, rig.models["table"].calls["replace"])
    untouched = await rig.models["sqlite"].get(stored.key)
    assert untouched is not None
    assert untouched.version.revision == 1


async def test_a_backend_is_opened_once_and_only_when_needed(rig: Rig) -> None:
    """Nothing is opened before a call needs it; calls at the same time open it once."""
    assert rig.opened == []

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(rig.router.get, config(f"k{number}").key)

    assert ["sqlite"] == rig.opened


async def test_fallback_within_one_backend_is_one_call(rig: Rig) -> None:
    """Both legs in one backend: it is asked once for both scopes."""
    stored = await rig.router.create(config(scope=GLOBAL))

    assert stored == await rig.router.get(config().key, fallback=GLOBAL)
    assert 1 == rig.models["sqlite"].calls["get"]


async def test_each_leg_of_a_fallback_follows_its_own_scope(rig: Rig) -> None:
    """Legs in two backends are two calls, besides the one for the control document; the scope's own record comes first."""
    rig.send(ORGANIZATION, "table")
    shared = await rig.router.create(config(value="shared", scope=GLOBAL))

    assert shared == await rig.router.get(config().key, fallback=GLOBAL)
    own = await rig.router.create(config(value="own"))
    assert own == await rig.router.get(config().key, fallback=GLOBAL)
    assert {"sqlite": 2, "table": 2 + 1} == {name: model.calls["get"] for name, model in rig.models.items()}


async def test_a_failing_leg_is_the_callers_error(rig: Rig) -> None:
    """The error of one leg arrives as it was raised, its cause included: no answer is guessed from the other leg."""
    rig.send(ORGANIZATION, "table")
    await rig.router.create(config(scope=GLOBAL))
    failure = BackendUnavailableError("out of reach")
    failure.__cause__ = OSError("refused")
    rig.models["table"].failure = failure

    with pytest.raises(BackendUnavailableError) as caught:
        await rig.router.get(config().key, fallback=GLOBAL)

    assert (failure, "refused") == (caught.value, str(caught.value.__cause__))


async def spread(rig: Rig) -> list[Record]:
    """Fill both backends; each also holds copies of the other's scope, which stayed behind after a flip."""
    rig.send(ORGANIZATION, "table")
    rig.send(OTHER_ORGANIZATION, "sqlite")
    stored = [
        await rig.router.create(execution(n, scope=ORGANIZATION if n % 2 else OTHER_ORGANIZATION, durationMs=n))
        for n in range(1, 12)
    ]
    for record in stored:
        stale = replace(record, body={**record.body, "status": "Pending", "durationMs": 1000})
        await rig.models["sqlite" if record.key.scope == ORGANIZATION else "table"].apply(stale)
    return stored


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 11, 500])
async def test_a_query_of_all_scopes_sees_each_record_once_where_it_is_primary(rig: Rig, limit: int) -> None:
    """Joined pages are every record of the backend that its scope routes to; pages are full, stale copies unseen."""
    stored = await spread(rig)

    found = await rig.everything(Query("execution", None), limit)

    assert sorted(map(str, (r.key for r in stored))) == sorted(map(str, (r.key for r in found)))
    assert {"Running"} == {record.body["status"] for record in found}


async def test_filters_hold_in_a_query_of_all_scopes(rig: Rig) -> None:
    """A filter is met by every record, also where only a stale copy would meet it."""
    await spread(rig)

    assert [] == await rig.everything(Query("execution", None, (Eq("status", "Pending"),)), 2)


async def test_tokens_across_backends_are_refused_when_altered_or_from_another_query(rig: Rig) -> None:
    """The router's own tokens are as strict as those of the backends, also between two backends."""
    await spread(rig)
    query = Query("execution", None, limit=1)
    tokens: list[str] = []
    token: str | None = None
    while True:
        token = (await rig.router.query(replace(query, continuation_token=token))).continuation_token
        if token is None:
            break
        tokens.append(token)

    for token in tokens:
        for wrong in (
            replace(query, continuation_token=token[:-2]),
            replace(query, continuation_token="x" + token[1:]),
            replace(query, continuation_token=token, kind="config"),
            replace(query, continuation_token=token, filters=(Eq("status", "Running"),)),
            replace(query, continuation_token=token, scope=ORGANIZATION),
        ):
            with pytest.raises(InvalidContinuationTokenError):
                await rig.router.query(wrong)


@pytest.mark.parametrize("token", ["", "[]", '["sqlite", 5]', "W10", "[" * 100_000, "é", '["sqlite", null]'])
async def test_what_is_no_token_is_refused(rig: Rig, token: str) -> None:
    """Any text that was not given out is refused, by queries and scans alike."""
    with pytest.raises(InvalidContinuationTokenError):
        await rig.router.query(Query("execution", None, continuation_token=token))
    with pytest.raises(InvalidContinuationTokenError):
        [page async for page in rig.router.scan(token)]


async def test_a_token_of_a_backend_that_is_gone_is_refused(rig: Rig, tmp_path: Path) -> None:
    """A token taken while two backends were in use says so when one is left."""
    await spread(rig)
    page = await rig.router.query(Query("execution", None, limit=8))
    alone = Rig(tmp_path / "alone", ["sqlite"]).router

    with pytest.raises(InvalidContinuationTokenError):
        await alone.query(Query("execution", None, limit=8, continuation_token=page.continuation_token))


@pytest.mark.parametrize("limit", [0, 501])
async def test_a_wrong_limit_is_refused_as_ever(rig: Rig, limit: int) -> None:
    """Asking several backends changes no rule."""
    with pytest.raises(InvalidRequestError, match="limit: 1 to 500"):
        await rig.router.query(Query("execution", None, limit=limit))


async def test_an_aggregate_of_all_scopes_counts_each_record_once(rig: Rig) -> None:
    """Counts and sums leave out stale copies and come in the order of every other aggregate."""
    stored = await spread(rig)
    query = Query("execution", None, limit=1)

    groups = await rig.router.aggregate(query, group_by=["status", "formId"], sum_of=["durationMs"])

    assert [Group(("Running", None), len(stored), (sum(range(1, 12)),), (len(stored),))] == groups
    assert [] == await rig.router.aggregate(Query("config", None))
    with pytest.raises(InvalidRequestError, match="'inputData' cannot be filtered on"):
        await rig.router.aggregate(query, group_by=["inputData"])


async def test_a_scan_goes_on_after_every_page_in_another_process(rig: Rig) -> None:
    """Resumed after each page a scan meets every routed record and tombstone once, and no stale copy."""
    stored = await spread(rig)
    await rig.router.delete(stored[0].key)
    seen: list[Record] = []
    token: str | None = None
    while True:
        async for page in rig.router.scan(token):
            seen += page.records
            token = page.resume_token
            break
        else:
            break

    assert sorted(str(r.key) for r in stored) == sorted(str(r.key) for r in seen)
    assert [stored[0].key] == [r.key for r in seen if r.is_tombstone]


async def test_purging_returns_what_the_flag_routes_and_leaves_no_copy(rig: Rig) -> None:
    """Expired copies that stayed behind go too, but are not returned: their blobs belong to the record elsewhere."""
    rig.send(ORGANIZATION, "table")
    live = await rig.models["table"].create(execution(1, expires_at=START + timedelta(days=9)))
    await rig.models["sqlite"].create(execution(1, expires_at=START + timedelta(days=1)))
    await rig.models["table"].create(execution(2, expires_at=START + timedelta(days=1)))
    rig.clock.advance(days=2)

    purged = await rig.router.purge_expired(kind="execution")

    assert ["e-2"] == [record.key.id for record in purged]
    assert [] == await rig.router.purge_expired(kind="execution")
    assert live == await rig.router.get(live.key)
    assert [] == [page async for page in rig.models["sqlite"].scan()]


async def test_blobs_follow_the_flag_of_their_scope(rig: Rig) -> None:
    """A scope's blob store is that of its backend at each call, also after a flip."""
    blobs = rig.router.blobs_for(ORGANIZATION)
    await blobs.put("execution-data", "a", b"1", content_type="text/plain")
    await blobs.copy("execution-data", "a", "b")
    rig.send(ORGANIZATION, "table")

    assert await blobs.get("execution-data", "a") is None
    assert [] == [blob async for blob in blobs.list("execution-data")]
    rig.send(ORGANIZATION, "sqlite")
    assert ["a", "b"] == [blob.name async for blob in blobs.list("execution-data")]
    assert await blobs.delete("execution-data", "b")


async def test_all_backends_are_provisioned_pinged_and_closed(rig: Rig) -> None:
    """Each that may hold data answers with two lines; a failure to close one leaves none open."""
    await rig.router.provision()
    lines = (await rig.router.ping()).splitlines()
    rig.models["table"].failure = BackendUnavailableError("out of reach")

    assert 4 == len(lines)
    with pytest.raises(BackendUnavailableError):
        await rig.router.aclose()
    assert [True, True] == [model.is_closed for model in rig.models.values()]


async def test_a_failing_flag_stops_the_call(rig: Rig) -> None:
    """An unknown value is an error for its scope alone; nothing is written anywhere."""
    rig.send(ORGANIZATION, "mongo")

    with pytest.raises(ConfigurationError, match="'mongo'"):
        await rig.router.create(config())
    await rig.router.create(config(scope=GLOBAL))
    assert [("config", "GLOBAL")] == [(r.key.kind, r.key.scope.value) for p in await _pages(rig) for r in p.records]


async def _pages(rig: Rig) -> list[Any]:
    return [page for model in rig.models.values() async for page in model.scan()]


@pytest.fixture
async def two_files(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path
    api.clear_providers()


async def test_a_store_follows_its_applications_flag(two_files: Path) -> None:
    """`open_store` with a client evaluates the flag at every call; a flip to a backend without a place is an error."""
    provider = ScopeProvider("sqlite")
    api.set_provider(provider, "test_router_store")
    settings = StoreSettings(backend="sqlite", sqlite_path=str(two_files / "a.db"))
    async with open_store(settings, flags=api.get_client("test_router_store")) as store:
        await store.config.set(GLOBAL, "theme", "dark", config_type=ConfigType.STRING, updated_by="kim@contoso.com")
        provider.default = "table"
        with pytest.raises(ConfigurationError, match="BIFROST_STORE_TABLE_CONNECTION_STRING"):
            await store.config.get(GLOBAL, "theme")
        provider.default = "cosmos"
        with pytest.raises(ConfigurationError, match="BIFROST_STORE_COSMOS_CONNECTION_STRING"):
            await store.config.get(GLOBAL, "theme")
        provider.default = "sqlite"
        found = await store.config.get(GLOBAL, "theme")
        await store.aclose()

    assert found is not None
    assert "dark" == found.value


async def test_a_store_with_nothing_configured_says_what_to_set(two_files: Path) -> None:
    """Also a call that concerns all scopes names the setting that is missing."""
    api.set_provider(ScopeProvider("table"), "test_router_store")
    async with open_store(StoreSettings(backend="table"), flags=api.get_client("test_router_store")) as store:
        with pytest.raises(ConfigurationError, match="BIFROST_STORE_TABLE_CONNECTION_STRING"):
            await store.users.memberships("kim@contoso.com")
