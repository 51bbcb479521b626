"""The library answers on the platform's real rows what the old application answered, or says why not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import Store, StoreSettings, open_store
from bifrost_store.core.tasks import for_each
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.errors import StoreError
from bifrost_store.transfer.records import dump_records, load_records
from bifrost_store.transfer.rows import load_rows
from tests.emptying import empty
from tests.golden import differences, differences_connections, differences_roles_forms
from tests.golden.answers import call_of, golden_answer, load, name_of
from tests.golden.answers_keys_audit import rows_of_schedules_and_jobs, stored_rows_of_schedules_and_jobs
from tests.services import SharedAzurite

DATA = Path(os.environ.get("BIFROST_LEGACY_DATA") or Path(__file__).parents[3] / "shared" / "data" / "legacy")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not DATA.is_dir(), reason="the legacy data set is not here; set BIFROST_LEGACY_DATA to its folder"),
]
DIFFERENCES = {**differences.DIFFERENCES, **differences_roles_forms.DIFFERENCES, **differences_connections.DIFFERENCES}
RECORDS = {name_of(record): record for record in load(DATA / "golden")} if DATA.is_dir() else {}


async def wrong_answers(store: Store, names: Iterable[str] = RECORDS) -> list[str]:
    """Return those of the golden records that are not answered as they should be; ids that came in id order compare as sets."""

    async def said_wrongly(name: str) -> str | None:
        record = RECORDS[name]
        try:
            answer = await call_of(record)(store, record["args"])
        except StoreError as error:
            answer = type(error).__name__
        golden = golden_answer(record)
        is_right = golden != answer and DIFFERENCES[name].holds(golden, answer) if name in DIFFERENCES else golden == answer
        return None if is_right else f"{name}: expected {golden}, found {answer}"

    found = await for_each(said_wrongly, list(names))
    return [text for text in found if text is not None]


@pytest.fixture(scope="module")
async def table_settings(shared_azurite: SharedAzurite) -> StoreSettings:
    azurite = await shared_azurite.running()
    empty(azurite)
    return StoreSettings(backend="table", table_connection_string=azurite.connection_string, execution_retention_days=None)


@pytest.fixture(scope="module")
async def table_store(table_settings: StoreSettings) -> AsyncIterator[Store]:
    async with open_store(table_settings) as store:
        await load_rows(table_settings, DATA)
        yield store


@pytest.fixture(scope="module")
async def dump(table_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The loaded tables, dumped: what the other backends are filled from."""
    folder = tmp_path_factory.mktemp("carried") / "dump"
    await dump_records(table_store, folder)
    return folder


@asynccontextmanager
async def loaded(dump: Path, **settings: Any) -> AsyncIterator[Store]:
    """Open a store that holds what was dumped."""
    async with open_store(StoreSettings(execution_retention_days=None, **settings)) as store:
        await load_records(store, dump, restart=True)
        yield store


@pytest.fixture(scope="module")
async def sqlite_store(dump: Path) -> AsyncIterator[Store]:
    async with loaded(dump, backend="sqlite", sqlite_path=str(dump.parent / "store.db")) as store:
        yield store


@pytest.fixture(scope="module")
async def cosmos_store(dump: Path) -> AsyncIterator[Store]:
    with CosmosEmulator(options=Options(consistency="Strong")) as emulator:
        account = {"cosmos_connection_string": emulator.connection_string, "blob_folder": str(dump.parent / "blobs")}
        async with loaded(dump, backend="cosmos", **account) as store:
            yield store


@pytest.fixture(params=["table", "sqlite", "cosmos"], scope="module")
def store(request: pytest.FixtureRequest) -> Store:
    """The loaded tables, and the same data dumped from them and loaded into another backend."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


async def test_the_answers_agree(store: Store) -> None:
    """A golden record's call gives the golden answer; one that is listed as different, another, for the reason given."""
    assert len(RECORDS) > len(DIFFERENCES)
    assert [] == await wrong_answers(store)


async def test_schedules_and_jobs_are_read_as_their_rows_say(store: Store) -> None:
    """No golden answer is about schedules and job statuses: their rows are compared column by column."""
    stored = stored_rows_of_schedules_and_jobs(DATA)

    assert len(stored) == 3
    assert stored == await rows_of_schedules_and_jobs(store)


def test_every_listed_difference_is_a_golden_record() -> None:
    """The list names no record that does not exist, and gives each a reason."""
    assert DIFFERENCES.keys() <= RECORDS.keys()
    assert all(difference.reason for difference in DIFFERENCES.values())
