"""Every fault of the table in docs/explanation/verification.md, made in real stores, found, named, and repaired."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from azure.cosmos.aio import CosmosClient
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from bifrost_store.backends.cosmos.ids import document_id
from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.version import Version, new_write_id
from bifrost_store.demo.azurite import Azurite
from bifrost_store.documents import SPECS
from bifrost_store.errors import MigrationRefusedError
from bifrost_store.migration.expiry import Dropped
from bifrost_store.migration.verify import FINDINGS
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import audit_event, config, execution, legacy_row, user
from tests.contract.cosmos_harness import CosmosHarness, CosmosStore
from tests.contract.harness import SqliteHarness, SqliteStore, TableHarness, TableStore
from tests.unit.migration_support import Watched, backfill, verification

pytestmark = [pytest.mark.anyio, pytest.mark.servers]

PAIRS: Final = (("sqlite", "sqlite"), ("table", "cosmos"), ("cosmos", "table"))
THEME: Final = config()
"""What the faults are done to; everything else is the same in both stores."""


@dataclass(frozen=True)
class Pair:
    """Two stores that hold the same, and ways past the library into each."""

    primary: Any
    secondary: Any
    clock: SettableClock

    @property
    def stores(self) -> tuple[Backend, Backend]:
        return self.primary.backend, self.secondary.backend

    @property
    def reversed_stores(self) -> tuple[Backend, Backend]:
        return self.secondary.backend, self.primary.backend


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(params=PAIRS, ids="-".join)
def pair_of_harnesses(request: pytest.FixtureRequest) -> list[Any]:
    return [_harness(name, request) for name in request.param]


@pytest.fixture
async def pair(pair_of_harnesses: list[Any], clock: SettableClock) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        primary, secondary = [await stack.enter_async_context(harness.open_empty(clock)) for harness in pair_of_harnesses]
        pair = Pair(primary, secondary, clock)
        for record in (THEME, execution(), execution(2, scope=GLOBAL), user(), legacy_row(Name="x")):
            await pair.primary.backend.create(record)
        assert (await backfill(*pair.stores, clock).run()).ok
        yield pair


def _harness(name: str, request: pytest.FixtureRequest) -> Any:
    if name == "sqlite":
        return SqliteHarness()
    if name == "table":
        azurite: Azurite = request.getfixturevalue("azurite")
        return TableHarness(azurite)
    return CosmosHarness(request.getfixturevalue("cosmos_server"))


async def written_past_the_library(store: Any, *, damaged: bool = False) -> None:
    """Change the value of `THEME` as somebody with the service's own tools does; *damaged*: so that it cannot be read."""
    if isinstance(store, SqliteStore):
        with closing(sqlite3.connect(store.path)) as database, database:
            column, value = ("revision", "x") if damaged else ("body", json.dumps({**THEME.body, "value": "past"}))
            sql = f"UPDATE records SET {column} = CAST(? AS TEXT) WHERE kind = 'config'"
            assert database.execute(sql, (value,)).rowcount == 1
    elif isinstance(store, TableStore):
        async with TableServiceClient.from_connection_string(store.azurite.connection_string) as service:
            table = service.get_table_client("Config")
            keys = {"PartitionKey": THEME.key.scope.partition_key, "RowKey": "config:theme"}
            change = {"BsRevision": "x"} if damaged else {"Value": "past"}
            await table.update_entity({**keys, **change}, mode=UpdateMode.MERGE)
    else:
        await _change_document(store, {"meta": "x"} if damaged else {"value": "past"})


async def _change_document(store: CosmosStore, change: dict[str, Any]) -> None:
    async with CosmosClient(store.server.endpoint, store.server.key) as client:
        container = client.get_database_client(store.database).get_container_client("entities")
        name = document_id(THEME.key)
        document = await container.read_item(name, THEME.key.scope.value)
        await container.replace_item(name, {**document, **change})


async def stored(backend: Backend, record: Record = THEME) -> Record:
    found = await backend.stored(record.key)
    assert found is not None
    return found


async def overwrite(backend: Backend, **changes: Any) -> None:
    """Put another state of `THEME` there, below all rules but those of `Backend.apply`."""
    before = await stored(backend)
    assert await backend.apply(replace(before, native_etag=None, **changes), over=before.native_etag)


def following(record: Record, *, epoch: int = 0) -> Version:
    return Version(record.version.revision + 1, new_write_id(), epoch)


Inject = Callable[[Pair], Awaitable[None]]


async def not_carried(pair: Pair) -> None:
    await pair.primary.backend.create(config("later"))


async def foreign_record(pair: Pair) -> None:
    await pair.secondary.backend.create(config("foreign"))


async def lost_write(pair: Pair) -> None:
    here = await stored(pair.primary.backend)
    await pair.primary.backend.replace(here.with_body({**here.body, "value": "light"}), here.etag)


async def lost_deletion(pair: Pair) -> None:
    await pair.primary.backend.delete(THEME.key)


async def deleted_in_the_secondary(pair: Pair) -> None:
    await pair.secondary.backend.delete(THEME.key)


async def late_write_in_the_secondary(pair: Pair) -> None:
    there = await stored(pair.secondary.backend)
    await pair.secondary.backend.replace(there.with_body({**there.body, "value": "light"}), there.etag)


async def write_of_another_epoch(pair: Pair) -> None:
    here = await stored(pair.primary.backend)
    await overwrite(pair.secondary.backend, version=replace(here.version, epoch=3))


async def two_writes_of_one_revision(pair: Pair) -> None:
    for backend, value in ((pair.primary.backend, "a"), (pair.secondary.backend, "b")):
        here = await stored(backend)
        await overwrite(backend, body={**here.body, "value": value}, version=following(here))


async def content_under_the_same_version(pair: Pair) -> None:
    here = await stored(pair.secondary.backend)
    await overwrite(pair.secondary.backend, body={**here.body, "value": "rotten"})


async def another_type(pair: Pair) -> None:
    """1 is not 1.0: what JSON libraries blur."""
    for backend, value in ((pair.primary.backend, 1), (pair.secondary.backend, 1.0)):
        here = await stored(backend)
        await overwrite(backend, body={**here.body, "configType": "json", "value": value})


async def another_expiry(pair: Pair) -> None:
    await overwrite(pair.secondary.backend, expires_at=START + timedelta(days=1))


async def past_the_library_in_the_primary(pair: Pair) -> None:
    await written_past_the_library(pair.primary)


async def past_the_library_in_the_secondary(pair: Pair) -> None:
    await written_past_the_library(pair.secondary)


FAULTS: Final[dict[str, tuple[Inject, str, str]]] = {
    "not_carried": (not_carried, "only_primary", "not carried over"),
    "foreign_record": (foreign_record, "only_secondary", "written into the secondary past the library"),
    "lost_write": (lost_write, "differs", "the last write did not reach the secondary"),
    "lost_deletion": (lost_deletion, "differs", "a deletion did not reach the secondary"),
    "deleted_in_the_secondary": (deleted_in_the_secondary, "differs", "deleted in the secondary alone"),
    "late_write_in_the_secondary": (late_write_in_the_secondary, "differs", "the secondary is ahead"),
    "write_of_another_epoch": (write_of_another_epoch, "differs", "written under different routes"),
    "two_writes_of_one_revision": (two_writes_of_one_revision, "differs", "two writes of one revision"),
    "content_under_the_same_version": (content_under_the_same_version, "differs", "same version, other content"),
    "another_type": (another_type, "differs", "same version, other content"),
    "another_expiry": (another_expiry, "differs", "same version, other content"),
    "past_the_library_in_the_primary": (past_the_library_in_the_primary, "differs", ""),
    "past_the_library_in_the_secondary": (past_the_library_in_the_secondary, "differs", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_is_found_named_and_repaired(fault: str, pair: Pair, tmp_path: Path) -> None:
    inject, what, cause = FAULTS[fault]
    await inject(pair)
    report = await verification(*pair.stores, pair.clock, folder=tmp_path).run()
    assert not report.ok
    assert {name: report.counts[name] for name in FINDINGS[1:]} == {**dict.fromkeys(FINDINGS[1:], 0), what: 1}
    (line,) = [json.loads(line) for line in (tmp_path / "differences.jsonl").read_text().splitlines()]
    assert line["what"] == what
    assert line["cause"].startswith(cause or _past_cause(fault, pair))
    assert line["fields"]
    assert await verification(*pair.stores, pair.clock).run(repair=True) == replace_paths(report, repaired=1)
    assert (await verification(*pair.stores, pair.clock).run()).ok


def _past_cause(fault: str, pair: Pair) -> str:
    """SQLite takes the digest it has stored for granted; the services' rows are looked at."""
    side = "secondary" if fault.endswith("secondary") else "primary"
    if isinstance(getattr(pair, side), SqliteStore):
        return "same version, other content"
    return f"written past the library in the {side}"


def replace_paths(report: Any, *, repaired: int) -> Any:
    return replace(report, file=None, repaired=repaired)


async def test_the_same_is_the_same(pair: Pair, tmp_path: Path) -> None:
    report = await verification(*pair.stores, pair.clock, folder=tmp_path).run()
    assert report.ok
    assert report.counts == {**dict.fromkeys(FINDINGS, 0), "same": 5}
    assert report.file is None
    assert not (tmp_path / "differences.jsonl").exists()


@pytest.mark.parametrize("side", ["primary", "secondary"])
async def test_what_cannot_be_read_is_counted_and_hides_nothing(side: str, pair: Pair, tmp_path: Path) -> None:
    await written_past_the_library(getattr(pair, side), damaged=True)
    report = await verification(*pair.stores, pair.clock, folder=tmp_path).run(repair=True)
    assert (report.counts["could_not_check"], report.counts["same"], report.open_count) == (1, 4, 1)
    (line,) = [json.loads(line) for line in (tmp_path / "differences.jsonl").read_text().splitlines()]
    assert line["store"] == side
    assert THEME.key.id in json.dumps(line["record"])  # as it is stored, for whoever corrects it


async def test_both_values_are_in_the_file_alone(pair: Pair, tmp_path: Path) -> None:
    await lost_write(pair)
    report = await verification(*pair.stores, pair.clock, folder=tmp_path).run()
    assert report.file is not None
    assert report.file.stat().st_mode & 0o777 == 0o600
    assert json.loads(report.file.read_text())["fields"]["body.value"] == {"primary": "light", "secondary": "dark"}
    shown = "\n".join(report.lines()) + json.dumps(report.values())
    assert "light" not in shown
    assert "dark" not in shown


async def test_what_cannot_be_repaired_stays_open_and_stops_nothing(pair: Pair, tmp_path: Path) -> None:
    """Audit events are never deleted, so one that the secondary alone holds is left to the operator."""
    await pair.secondary.backend.create(audit_event())
    await lost_write(pair)
    report = await verification(*pair.stores, pair.clock, folder=tmp_path).run(repair=True)
    assert (report.repaired, report.open_count) == (1, 1)
    lines = [json.loads(line) for line in (tmp_path / "differences.jsonl").read_text().splitlines()]
    assert [line["repair"].startswith("not possible: ") for line in lines if line["what"] == "only_secondary"] == [True]


async def test_expired_executions_that_were_left_out_are_no_difference(pair: Pair) -> None:
    """Those that nobody sees, and those that were to be dropped, with a word; without that wish the latter are missing."""
    await pair.primary.backend.create(execution(7, expires_at=START + timedelta(days=1)))
    await pair.primary.backend.create(execution(8, expires_at=None))
    pair.clock.advance(days=30)
    dropped = Dropped(pair.clock() - timedelta(days=14), SPECS, None)
    report = await verification(*pair.stores, pair.clock, dropped=dropped).run(repair=True)
    assert report.ok
    assert (report.counts["expired"], report.counts["no_longer_seen"]) == (2, 1)
    assert "1 execution that readers see today" in report.lines()[1]
    assert await pair.secondary.backend.stored(execution(8).key) is None
    back = await verification(*pair.reversed_stores, pair.clock, dropped=dropped).run(repair=True)
    assert back.ok
    assert await pair.primary.backend.get(execution(8).key) is not None
    assert (await verification(*pair.stores, pair.clock).run()).counts["only_primary"] == 1


async def test_a_write_on_its_way_is_no_difference(pair: Pair) -> None:
    """What differs is looked at again: the dual write arrives between the looks."""
    await lost_write(pair)

    async def sleep(_: float) -> None:
        assert await pair.secondary.backend.apply(await stored(pair.primary.backend))

    report = await verification(*pair.stores, pair.clock, sleep=sleep).run()
    assert report.ok
    assert report.counts["same"] == 5


async def test_what_keeps_changing_could_not_be_checked(pair: Pair) -> None:
    await lost_write(pair)

    async def sleep(_: float) -> None:
        await lost_write(pair)

    report = await verification(*pair.stores, pair.clock, sleep=sleep).run(repair=True)
    assert report.counts["could_not_check"] == 1
    assert report.open_count == 1


class Restless(Watched):
    """A primary in which `THEME` has changed since it was read last."""

    def __init__(self, primary: Backend, secondary: Backend, *, is_followed: bool) -> None:
        super().__init__(primary)
        self.secondary = secondary
        self.is_followed = is_followed

    async def stored(self, key: Key) -> Record | None:
        before = await super().stored(key)
        if key != THEME.key or before is None:
            return before
        if self.is_followed:
            await self.secondary.apply(before)
        await overwrite(self._inner, version=following(before))
        return await super().stored(key)


@pytest.mark.parametrize(("is_followed", "finding"), [(True, "same"), (False, "could_not_check")])
async def test_what_never_rests_is_compared_with_what_the_primary_has_shown(pair: Pair, is_followed: bool, finding: str) -> None:
    """The secondary is always one state behind: it follows. One that is left behind does not."""
    restless = Restless(*pair.stores, is_followed=is_followed)
    if not is_followed:
        await lost_write(pair)
    report = await verification(restless, pair.secondary.backend, pair.clock).run()
    assert report.counts == {**dict.fromkeys(FINDINGS, 0), "same": 4} | {finding: 5 if is_followed else 1}


async def test_a_hand_over_meanwhile_makes_the_result_worthless(pair: Pair) -> None:
    async def never() -> bool:
        return False

    await foreign_record(pair)
    with pytest.raises(MigrationRefusedError, match="hand-over"):
        await verification(*pair.stores, pair.clock, is_current=never).run(repair=True)
    assert await pair.secondary.backend.get(config("foreign").key) is not None


def test_the_table_in_the_documentation_names_exactly_these() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "verification.md"
    named = {line.split("`")[1] for line in page.read_text().splitlines() if line.startswith("| `")}
    assert named == {*FAULTS, "unreadable", "keeps_changing", "expired"}
