"""The examination of a store: each thing that can be wrong is found, and says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from pydantic import SecretStr
from typing_extensions import override

from bifrost_store import StoreSettings, open_store
from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import UPLOADS
from bifrost_store.changefeed.leases import FeedLease
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.meter import metering, note_date
from bifrost_store.core.operations import Create, Operation, Result
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.doctor.access import check_access, check_reach
from bifrost_store.doctor.examining import examine
from bifrost_store.doctor.findings import Finding, State, is_well
from bifrost_store.doctor.processes import check_feeds, check_processes
from bifrost_store.doctor.versions import check_versions
from bifrost_store.documents import FEED_LEASE
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.errors import AccessDeniedError, BackendUnavailableError
from bifrost_store.migration.state import MigrationState, Phase
from bifrost_store.routing.copies import STATE_KEY
from bifrost_store.routing.membership.lease_rows import LeaseRows, LeaseState
from bifrost_store.wrappers.pass_through import PassThrough

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)


def found(findings: Sequence[Finding], check: str) -> list[tuple[str, str]]:
    """Return state and message of what one check found."""
    return [(finding.state.value, finding.message) for finding in findings if finding.check == check]


@pytest.fixture
def sqlite(tmp_path: Path) -> StoreSettings:
    return StoreSettings(sqlite_path=str(tmp_path / "store.db"))


def cosmos(server: CosmosEmulator, tmp_path: Path) -> StoreSettings:
    return StoreSettings(
        backend="cosmos", cosmos_connection_string=SecretStr(server.connection_string), blob_folder=str(tmp_path / "blobs")
    )


async def test_a_store_that_is_well(sqlite: StoreSettings) -> None:
    """Every check is made and fine, and nothing of the probes is left."""
    findings = await examine(sqlite)

    assert {"settings", "versions", "reach", "layout", "access", "payloads"} == {finding.check for finding in findings}
    assert {State.OK} == {finding.state for finding in findings}
    assert [""] * len(findings) == [finding.remedy for finding in findings]
    async with open_store(sqlite) as store:
        assert [] == [one async for one in store.backend.blobs("sqlite").list(UPLOADS)]
        assert [] == await store.backend.backend("sqlite").purge_expired(kind="control")


async def test_an_account_without_containers(tmp_path: Path) -> None:
    """It is told how to make them; what depends on them is not asked."""
    with CosmosEmulator(options=Options(consistency="Strong")) as server:
        findings = await examine(cosmos(server, tmp_path))

    assert not is_well(findings)
    assert ["bifrost-store init, with BIFROST_STORE_BACKEND=cosmos"] == [one.remedy for one in findings if one.check == "reach"]
    assert [] == found(findings, "access")


async def test_an_account_that_promises_less(tmp_path: Path) -> None:
    """Less consistency is a warning with its remedy, and the store works."""
    with CosmosEmulator(options=Options(consistency="Session")) as server:
        settings = cosmos(server, tmp_path)
        async with open_store(settings) as store:
            await store.provision()
        findings = await examine(settings)

    assert is_well(findings)
    ((state, message),) = found(findings, "layout")
    assert ("warning", True) == (state, "default consistency is Session" in message)
    assert [("ok", "agrees with this machine's")] == found(findings, "clock")


@pytest.mark.parametrize(("ahead", "expected"), [(60, "warning"), (-60, "warning"), (1000, "wrong")])
async def test_a_clock_that_is_wrong(tmp_path: Path, ahead: int, expected: str) -> None:
    """This machine's is compared with the service's, which every answer tells."""
    with CosmosEmulator(options=Options(consistency="Strong")) as server:
        settings = cosmos(server, tmp_path)
        async with open_store(settings) as store:
            await store.provision()
            findings = await check_reach(store.backend.backend("cosmos"), lambda: datetime.now(UTC) + timedelta(seconds=ahead))

    ((state, message),) = found(findings, "clock")
    assert (expected, True) == (state, ("ahead" if ahead > 0 else "behind") in message)


@pytest.mark.parametrize(
    "header", ["Fri, 14 Nov 2025 12:00:00 GMT", "Fri, 14 Nov 2025 12:00:00 -0000", "14 Nov 2025 13:00:00 +0100"]
)
def test_the_date_of_an_answer_has_a_time_zone(header: str) -> None:
    """However a service or a proxy writes it; what is no date is none."""
    with metering() as meter:
        note_date(header)
        note_date("soon")
        note_date(None)

    assert datetime(2025, 11, 14, 12, tzinfo=UTC) == meter.answered_at


class ReadOnly(PassThrough):
    """A store that lets its reader in and no writer."""

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        raise AccessDeniedError("403", backend="cosmos")


class CreateOnly(PassThrough):
    """A store that lets its writer add, and change nothing."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self.made: list[Key] = []

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        if not all(isinstance(operation, Create) for operation in operations):
            raise AccessDeniedError("403", backend="cosmos")
        self.made += [operation.key for operation in operations]
        return await self._inner.write(operations, attempt=attempt)


class Away(PassThrough):
    """A store that does not answer."""

    @override
    async def ping(self) -> str:
        raise BackendUnavailableError("no connection to store.example:443")

    @override
    async def get(self, key: Key, **options: object) -> Record | None:
        raise BackendUnavailableError("no connection to store.example:443")


async def test_a_reader_that_may_not_write(sqlite: StoreSettings) -> None:
    """It is told that reading works, and what writing needs."""
    async with open_store(sqlite) as store:
        await store.provision()
        finding = await check_access(ReadOnly(store.backend.backend("sqlite")), lambda: NOW)

        assert (State.WRONG, "can read, and cannot write: 403") == (finding.state, finding.message)
        assert finding.remedy.startswith("let this process read and write there")


async def test_what_an_examination_leaves_the_next_one_removes(sqlite: StoreSettings) -> None:
    """A probe that could be made and not removed ends by itself."""
    now = NOW
    async with open_store(sqlite, clock=lambda: now) as store:
        await store.provision()
        backend = store.backend.backend("sqlite")
        limited = CreateOnly(backend)
        denied = await check_access(limited, lambda: now)
        (left,) = limited.made
        assert await backend.stored(left) is not None
        now += timedelta(hours=1)
        allowed = await check_access(backend, lambda: now)

        assert (State.WRONG, State.OK) == (denied.state, allowed.state)
        assert await backend.stored(left) is None


async def test_a_store_that_does_not_answer(sqlite: StoreSettings) -> None:
    """What it said is shown, and that trying again may help."""
    async with open_store(sqlite) as store:
        away = Away(store.backend.backend("sqlite"))
        (finding,) = await check_reach(away, lambda: NOW)

        assert (State.WRONG, "no connection to store.example:443") == (finding.state, finding.message)
        assert "try again" in finding.remedy
        assert "cannot read" in (await check_access(away, lambda: NOW)).message


def test_packages() -> None:
    """One that is missing is wrong, one outside the bounds a warning; each names what installs it."""

    def version_of(name: str) -> str:
        if name == "azure-cosmos":
            raise PackageNotFoundError(name)
        return "0.0.1" if name == "pydantic" else version(name)

    findings = {finding.place: finding for finding in check_versions(["cosmos"], version_of)}

    assert (State.WRONG, "is not installed") == (findings["azure-cosmos"].state, findings["azure-cosmos"].message)
    assert "[cosmos]" in findings["azure-cosmos"].remedy
    assert State.WARNING is findings["pydantic"].state
    assert State.OK is findings["azure-storage-blob"].state
    assert "azure-data-tables" not in findings


async def test_processes_under_leases(tmp_path: Path) -> None:
    """One that serves, one that is in trouble, one that is silent."""
    with CosmosEmulator(options=Options(consistency="Strong")) as server:
        async with open_store(cosmos(server, tmp_path)) as store:
            await store.provision()
            backend = store.backend.backend("cosmos")
            rows = LeaseRows(backend)
            await rows.create("a" * 16, LeaseState(process="east 1", seen_at=NOW))
            await rows.create("b" * 16, LeaseState(process="east 2", seen_at=NOW, problem="renewing: ThrottledError"))
            await rows.create("c" * 16, LeaseState(process="east 3", seen_at=NOW - timedelta(seconds=31)))
            findings = {one.place: (one.state.value, one.message) for one in await check_processes(backend, NOW, 30)}

    assert {
        "cosmos: east 1": ("ok", "serves"),
        "cosmos: east 2": ("warning", "in trouble: renewing: ThrottledError"),
        "cosmos: east 3": ("warning", "has written nothing for a whole lease"),
    } == findings


async def test_processors_of_feeds(sqlite: StoreSettings) -> None:
    """One that follows, one that nobody runs, one that is stuck."""
    base = FeedLease(processor="p", feed="entities", low="", high="~", position=None, owner="me", lag_items=3)
    leases = {
        "follows": base.model_copy(update={"processor": "follows"}),
        "idle": base.model_copy(update={"processor": "idle", "owner": None}),
        "stuck": base.model_copy(update={"processor": "stuck", "failures": 5, "failing_since": NOW, "problem": "KeyError"}),
    }
    async with open_store(sqlite) as store:
        await store.provision()
        backend = store.backend.backend("sqlite")
        for number, lease in enumerate(leases.values()):
            await backend.create(Record(Key(FEED_LEASE.kind, SYSTEM, f"{number:016x}"), lease.model_dump(mode="json")))
        findings = {one.place: (one.state.value, one.message) for one in await check_feeds(backend)}

    assert ("ok", "follows, 3 items behind") == findings["follows"]
    assert ("warning", "nobody follows 1 of 1 ranges") == findings["idle"]
    assert ("wrong", "is stuck in 1 of 1 ranges: KeyError, 5 times") == findings["stuck"]


async def test_a_migration_of_which_one_store_is_named(tmp_path: Path) -> None:
    """Every process needs both while it is under way: the settings that name one are wrong."""
    state = MigrationState(migration_id="m", source="table", target="cosmos", changed_at=NOW, phase=Phase.BACKFILLED)
    with CosmosEmulator(options=Options(consistency="Strong")) as server:
        settings = cosmos(server, tmp_path)
        async with open_store(settings) as store:
            await store.provision()
            await store.backend.backend("cosmos").create(Record(STATE_KEY, state.body()))
        findings = await examine(settings)

    ((told, message),) = found(findings, "migration")
    assert ("wrong", "phase backfilled, from table to cosmos, and the settings name cosmos alone") == (told, message)
