"""Whose a cost is: calls, operations below them, and what happens when they nest, overlap, fail or are given up."""

from __future__ import annotations

import inspect
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store import GLOBAL, ConfigType, OperationUsage, Store, StoreSettings, UsageReport, open_store
from bifrost_store.backends.protocol import Difference
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.table.backend import TableBackend
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.blobs.protocol import UPLOADS, BlobInfo
from bifrost_store.core.clock import utc_now
from bifrost_store.core.execution_data import recordings_from
from bifrost_store.core.meter import Meter, count, count_answer, count_requests, count_retry, metering
from bifrost_store.core.usage import Ledger
from bifrost_store.documents import SPECS
from bifrost_store.errors import DocumentNotFoundError, InvalidKeyError, StoreError
from bifrost_store.protocols import Executions
from bifrost_store.testing.data_documents import RUN, payload, segment
from bifrost_store.testing.examples import config
from bifrost_store.testing.repositories import Repositories, protocols_of
from bifrost_store.wrappers.observe import ObservedBackend, ObservedBlobStore
from bifrost_store.wrappers.observer import Observer, Place
from bifrost_store.wrappers.telemetry import Telemetry

pytestmark = pytest.mark.anyio

SQLITE = Place("backend", "sqlite", "sqlite")
TABLE = Place("backend", "table", "azure.table")
NOW = datetime(2025, 11, 20, tzinfo=UTC)


class Things:
    """A repository that asks for as many things as it is told to, of one backend or of two."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.others: Things | None = None

    async def get(self, number: int, *, places: tuple[Place, ...] = (SQLITE,)) -> int:
        """Return what it was given."""
        for place in places:
            with self._observer.operation(place, "get", "thing"):
                for _ in range(number):
                    await anyio.lowlevel.checkpoint()
                    count("table", sent_bytes=10)
                    count_answer(100, request_units=0.5)
        return number

    async def fail(self) -> None:
        with self._observer.operation(SQLITE, "get", "thing"):
            count("table")
            raise DocumentNotFoundError("no such thing")

    async def wait(self) -> None:
        with self._observer.operation(SQLITE, "get", "thing"):
            count("table")
            await anyio.sleep_forever()

    async def through_others(self, number: int) -> int:
        assert self.others is not None
        return await self.others.get(number) + await self.get(1)

    async def nothing(self) -> None:
        """Ask nobody."""


@pytest.fixture(params=[True, False], ids=["heard", "silent"])
def is_heard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether OpenTelemetry has anybody who listens: usage is the same."""
    monkeypatch.setattr(Telemetry, "is_heard", lambda self, now: request.param)


@pytest.fixture
def observer(is_heard: None) -> Observer:
    return Observer(lambda: NOW)


@pytest.fixture
def things(observer: Observer) -> Things:
    return observer.repository("things", Things(observer))


def rows(report: UsageReport) -> dict[tuple[str, str], OperationUsage]:
    return {(row.operation, row.backend): row for row in report.operations}


async def test_a_call_costs_what_its_operations_cost(observer: Observer, things: Things) -> None:
    """Requests, bytes, request units and time of a call are those of all that was done for it."""
    assert (await things.get(3), await things.get(4)) == (3, 4)
    row = rows(observer.usage())["things.get", "sqlite"]

    assert (row.calls, row.failures_by_error, row.requests_by_service, row.retries) == (2, {}, {"table": 7}, 0)
    assert (row.sent_bytes, row.received_bytes, row.request_units) == (70, 700, 3.5)
    assert 0 < row.mean_seconds <= row.p95_seconds <= row.max_seconds <= row.total_seconds
    assert observer.usage().since == NOW


async def test_calls_that_a_call_makes_are_part_of_it(observer: Observer, things: Things) -> None:
    """Only the outermost call is counted, with all its cost."""
    outer = Things(observer)
    outer.others = things
    assert await observer.repository("outer", outer).through_others(2) == 3

    assert {name: row.requests_by_service["table"] for name, row in rows(observer.usage()).items()} == {
        ("outer.through_others", "sqlite"): 3
    }


async def test_calls_at_the_same_time_do_not_mix(observer: Observer, things: Things) -> None:
    """Two tasks of one group, each in the middle of its call, pay for their own requests."""
    other = observer.repository("others", Things(observer))
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(things.get, 7)
            group.start_soon(other.get, 3)
    found = rows(observer.usage())

    assert (found["things.get", "sqlite"].calls, found["things.get", "sqlite"].requests_by_service) == (5, {"table": 35})
    assert (found["others.get", "sqlite"].calls, found["others.get", "sqlite"].requests_by_service) == (5, {"table": 15})


async def test_tasks_of_a_call_count_for_it(observer: Observer) -> None:
    """What a call does in several tasks at once is its own."""
    inner = Things(observer)

    async def fan_out() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(inner.get, 2)

    with observer.call("things.all"):
        await fan_out()

    assert rows(observer.usage())["things.all", "sqlite"].requests_by_service == {"table": 6}


async def test_failures_are_counted_by_class(observer: Observer, things: Things) -> None:
    """A call that raises counts with its cost; the error reaches the caller as it is, and the next call is sound."""
    for _ in range(2):
        with pytest.raises(DocumentNotFoundError, match="no such thing"):
            await things.fail()
    await things.get(1)
    found = rows(observer.usage())

    assert (found["things.fail", "sqlite"].calls, found["things.fail", "sqlite"].failures_by_error) == (
        2,
        {"DocumentNotFoundError": 2},
    )
    assert found["things.fail", "sqlite"].requests_by_service == {"table": 2}
    assert found["things.get", "sqlite"].failures_by_error == {}


async def test_a_call_given_up_counts_as_cancelled(observer: Observer, things: Things) -> None:
    """A deadline ends the call, which counts with what it had cost; nothing after it is taken for its own."""
    with anyio.move_on_after(0):
        await things.wait()
    await things.get(1)
    found = rows(observer.usage())

    assert (found["things.wait", "sqlite"].failures_by_error, found["things.wait", "sqlite"].requests_by_service) == (
        {"CancelledError": 1},
        {"table": 1},
    )
    assert found["things.get", "sqlite"].calls == 1


async def test_each_call_is_in_one_row(observer: Observer, things: Things) -> None:
    """A call that needs two backends counts once, under both names; one that needs none, under none."""
    await things.get(1, places=(TABLE, SQLITE, TABLE))
    await things.nothing()

    assert {name: row.calls for name, row in rows(observer.usage()).items()} == {
        ("things.get", "sqlite+table"): 1,
        ("things.nothing", ""): 1,
    }


async def test_two_stores_keep_their_own_books(observer: Observer, things: Things) -> None:
    """A call of one store inside a call of another counts in both, each by its own name."""
    other = Observer(utc_now)
    with other.call("copy"):
        await things.get(2)

    assert rows(observer.usage())["things.get", "sqlite"].requests_by_service == {"table": 2}
    assert rows(other.usage())["copy", ""].requests_by_service == {"table": 2}


async def test_calls_under_way_are_left_out(observer: Observer, things: Things) -> None:
    """The report tells of what has ended."""
    with observer.call("things.slow"):
        assert observer.usage().operations == ()


async def test_an_observed_repository_looks_like_what_is_in_it(observer: Observer, things: Things) -> None:
    """Name, signature and docstring of a method are those of the method."""
    assert things.get.__doc__ == Things.get.__doc__
    assert inspect.signature(things.get) == inspect.signature(Things(observer).get)
    assert "<store.things>" == repr(things)


async def test_a_store_tells_what_it_has_and_what_its_methods_do(tmp_path: Path) -> None:
    """At run time a store, its repositories and their methods say what their Protocols say, and a store where its data is."""
    async with open_store(StoreSettings(sqlite_path=str(tmp_path / "x.db"))) as store:
        named = [name for name in dir(store) if repr(getattr(store, name)) == f"<store.{name}>"]

        assert f"<Store of sqlite {tmp_path / 'x.db'}>" == repr(store)
        assert [] == [name for name in named if f"{name}:" not in (Store.__doc__ or "")]
        assert len(named) == 17
        assert (Executions.__doc__, "Executions") == (store.executions.__doc__, type(store.executions).__name__)
        assert inspect.getdoc(Executions.create) == store.executions.create.__doc__
        assert inspect.signature(Executions.iterate) == inspect.signature(type(store.executions).iterate)
        for name in named:
            methods = [one for one in vars(type(getattr(store, name))).items() if not one[0].startswith("_")]
            assert [] == [f"{name}.{method}" for method, one in methods if not one.__doc__]


def test_a_report_cannot_be_changed() -> None:
    """What a report says stays so, whatever happens after it."""
    ledger = Ledger(NOW)
    ledger.add("a.b", "sqlite", Meter(), 1.0, "KeyError")
    report = ledger.report()
    ledger.add("a.b", "sqlite", Meter(), 1.0, "KeyError")

    assert (report.operations[0].calls, report.operations[0].failures_by_error) == (1, {"KeyError": 1})
    with pytest.raises(FrozenInstanceError):
        report.operations[0].calls = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        report.operations[0].failures_by_error["x"] = 1  # type: ignore[index]


@given(st.lists(st.floats(0, 1e4, allow_subnormal=False), min_size=1, max_size=200))
def test_the_percentile_is_at_most_a_tenth_too_high(seconds: list[float]) -> None:
    """95 of 100 calls took no longer than it says, and some took nearly as long; books stay small."""
    ledger = Ledger(NOW)
    for one in seconds:
        ledger.add("a.b", "sqlite", Meter(), one, None)
    (row,) = ledger.report().operations
    exact = sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]

    assert exact <= row.p95_seconds * (1 + 1e-9) or exact < 1e-6
    assert row.p95_seconds <= max(exact * 1.1 * (1 + 1e-9), 1e-6)
    assert (row.max_seconds, row.total_seconds) == (max(seconds), pytest.approx(sum(seconds)))


def test_meters_may_be_nested() -> None:
    """Every open meter counts, retries and bytes included; a closed one no more."""
    with metering() as outer, count_requests() as requests:
        with metering() as inner:
            count("table", sent_bytes=5)
            count_retry()
        count("blob")
    count("table")

    assert (outer.requests, outer.retries, outer.sent_bytes) == ({"table": 1, "blob": 1}, 1, 5)
    assert (inner.requests, requests) == ({"table": 1}, {"table": 1, "blob": 1})


@pytest.fixture
async def store(tmp_path: Path, is_heard: None) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(sqlite_path=str(tmp_path / "store.db"))) as opened:
        await opened.provision()
        yield opened


async def test_every_call_of_every_repository_is_observed(store: Store) -> None:
    """Each call of each Protocol, but for those that it writes over others, is counted by its name, even without its arguments."""
    expected = {
        f"{name}.{method}"
        for name, protocol in protocols_of(Repositories).items()
        for method, written in inspect.getmembers(protocol, inspect.iscoroutinefunction)
        if getattr(type(getattr(store, name)), method) is not written
    }
    assert len(expected) > 100
    for name in expected:
        repository, _, method = name.partition(".")
        with suppress(TypeError, StoreError):
            await getattr(getattr(store, repository), method)()

    assert {row.operation for row in store.usage().operations if not row.operation.startswith(("backend.", "blobs."))} == expected


async def test_a_store_tells_what_its_calls_cost(store: Store) -> None:
    """Calls are named as they are made; what asks below the repositories is named by its layer; bad input asks nobody."""
    await store.config.set(GLOBAL, "a", 1, config_type=ConfigType.INT, updated_by="ada@msp.example")
    await store.config.get(GLOBAL, "a")
    with pytest.raises(InvalidKeyError):
        await store.config.get(GLOBAL, "")
    await store.ping()
    async with aclosing(cast(AsyncGenerator[Any, None], store.backend.scan())) as pages:
        async for _ in pages:
            break
    found = rows(store.usage())

    assert found["config.set", "sqlite"].requests_by_service["sqlite"] >= 2
    assert (found["config.get", "sqlite"].calls, found["config.get", "sqlite"].requests_by_service) == (1, {"sqlite": 1})
    assert found["config.get", ""].failures_by_error == {"InvalidKeyError": 1}
    assert {name for name, _ in found} == {
        "backend.ping", "backend.provision", "backend.scan", "blobs.ping", "blobs.provision", "config.get", "config.set"
    }  # fmt: skip


async def test_payloads_count_to_the_call_and_its_backend(store: Store) -> None:
    """A blob that a call writes is part of it, and of the backend that the blob store goes with."""
    await store.uploads.save("photo.txt", b"x" * 1000, "text/plain")
    await store.uploads.save("photo.txt", b"x" * 1000, "text/plain")

    assert rows(store.usage())["uploads.save", "sqlite"].calls == 2


async def test_powers_pass_through(observer: Observer, never_asked: TableBackend) -> None:
    """What can be repaired or fixed can be so through the wrapper, which observes it, and nothing else pretends to."""

    class Fixable:
        async def differences(self, *, missing_ok: bool = False) -> list[Difference]:
            return [Difference("here", "is 1, should be 2", "run it", is_fixable=True)]

        async def fix(self) -> list[Difference]:
            return await self.differences()

    class LaidOut(SqliteBackend):
        layout = Fixable()

    wrapped = [
        ObservedBackend(one, observer) for one in (LaidOut(":memory:", SPECS), SqliteBackend(":memory:", SPECS), never_asked)
    ]

    assert [True, False, False] == [one.layout is not None for one in wrapped]
    assert [False, False, True] == [one.repair is not None for one in wrapped]
    assert [False, False, True] == [one.raw_rows is not None for one in wrapped]
    layout = wrapped[0].layout
    assert layout is not None
    assert ["here: is 1, should be 2"] == [str(one) for one in await layout.fix()]
    assert await layout.fix() == await layout.differences()
    assert {"backend.differences", "backend.fix"} <= {name for name, _ in rows(observer.usage())}


async def test_operations_on_execution_data_are_observed(observer: Observer) -> None:
    """Each method of the power is an operation; a backend without it has none through the wrapper either."""
    inner = SqliteBackend(":memory:", SPECS)
    data = ObservedBackend(inner, observer).execution_data
    assert data is not None
    document = segment()
    assert await data.append([[document], [payload()]]) == [None, None]
    assert await data.get(RUN, document.id) == document
    await data.read(RUN, [recordings_from(RUN.scope, 0)])
    assert [1, 0] == [len(page.documents) - 1 async for page in data.scan()] + [await data.purge_expired()]
    assert await data.remove(RUN) == 2
    await inner.aclose()
    counted = {name: usage.calls for (name, _), usage in rows(observer.usage()).items()}

    assert counted == {
        "backend.append_data": 1,
        "backend.get_data": 1,
        "backend.read_data": 1,
        "backend.scan_data": 2,
        "backend.purge_data": 1,
        "backend.remove_data": 1,
    }


@pytest.fixture
async def never_asked() -> AsyncIterator[TableBackend]:
    """A backend that is never asked anything."""
    backend = TableBackend.from_connection_string(f"AccountName=a;AccountKey={'A' * 8};EndpointSuffix=b.example", SPECS)
    yield backend
    await backend.aclose()


async def test_a_scan_left_early_leaves_nothing_behind(observer: Observer) -> None:
    """Pages are operations of their own: what the reader does between two of them is not taken for part of a scan."""
    backend = ObservedBackend(SqliteBackend(":memory:", SPECS), observer)
    await backend.create(config())
    with metering() as between:
        async for page in backend.scan():
            assert len(page.records) == 1
            before = dict(between.requests)
            await backend.get(config().key)
            assert between.requests["sqlite"] == before["sqlite"] + 1
    await backend.aclose()
    found = rows(observer.usage())

    assert (found["backend.get", "sqlite"].requests_by_service, found["backend.scan", "sqlite"].calls) == ({"sqlite": 1}, 2)


@pytest.mark.parametrize("number", [0, 1, 499, 500, 501, 1001])
async def test_long_lists_of_blobs_come_whole(number: int, observer: Observer, tmp_path: Path) -> None:
    """Every blob is listed once and in order, in as many operations as there are five hundreds."""
    blobs = ObservedBlobStore(_Many(number), "table", observer)
    listed = [blob.name async for blob in blobs.list(UPLOADS)]

    assert listed == [f"{n:05}" for n in range(number)]
    assert rows(observer.usage())["blobs.list", "table"].calls == number // 500 + 1


class _Many(FolderBlobStore):
    def __init__(self, number: int) -> None:
        super().__init__(Path("nowhere"))
        self._number = number

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        for number in range(self._number):
            yield BlobInfo(f"{number:05}", 1, "")
