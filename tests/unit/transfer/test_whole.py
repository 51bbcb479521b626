"""`transfer`: dump and load at the waist: everything arrives as it was, and where it belongs."""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from bifrost_store import Store, StoreSettings, open_store
from bifrost_store.blobs.protocol import BRANDING, EXECUTION_DATA, UPLOADS, Blob
from bifrost_store.core.record import Record
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.routing.flag import FLAG_KEY
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, config, execution
from bifrost_store.testing.strict import exactly
from bifrost_store.transfer.blobs import BlobFiles
from bifrost_store.transfer.lines import line_of, record_of
from bifrost_store.transfer.records import dump_records, load_records
from tests.unit.transfer.stores import BLOBS, RECORDS, assert_equal, fill, store_in, versioned

pytestmark = pytest.mark.anyio


async def test_everything_arrives_as_it_was(tmp_path: Path) -> None:
    """Every kind and scope, tombstones, versions, expiries, extra columns and blobs are equal, type for type, after a load."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        dumped = await dump_records(one, tmp_path / "dump")
        loaded = await load_records(other, tmp_path / "dump")

        assert dumped.is_complete
        assert loaded.is_complete
        assert loaded.records == dumped.records
        assert (len(RECORDS), len(RECORDS)) == (sum(dumped.records.values()), loaded.written)
        assert dumped.records["tombstone"] == 1
        assert (len(BLOBS), len(BLOBS)) == (dumped.blobs, loaded.blobs)
        await assert_equal(one, other)


async def test_a_dump_is_lines_of_json_and_files_that_people_can_read(tmp_path: Path) -> None:
    """One record a line in ASCII; blobs under their own names where a file system allows them."""
    async with store_in(tmp_path) as store:
        await fill(store)
        await dump_records(store, tmp_path / "dump")

    lines = (tmp_path / "dump" / "records.jsonl").read_text("ascii").splitlines()
    assert len(RECORDS) == len([json.loads(line) for line in lines])
    assert (tmp_path / "dump" / "blobs" / EXECUTION_DATA / "e-1" / "result.json").read_bytes() == b'{"a": 1}'


async def test_what_is_there_as_new_or_newer_stays(tmp_path: Path) -> None:
    """A load writes over older states only."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        newer = versioned(config(value="newer"), 2)
        await other.backend.apply(newer)
        loaded = await load_records(other, tmp_path / "dump")

        assert len(RECORDS) - 1 == loaded.written
        kept = await other.backend.get(newer.key)
        assert kept is not None
        assert kept.body["value"] == "newer"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.key.kind}-{record.version.revision}")
def test_a_line_gives_back_its_record(record: Record) -> None:
    """To a line and back changes nothing, type for type; a line has one end, at its end."""
    line = line_of(record)

    assert exactly(record) == exactly(record_of(line))
    assert line == line_of(record_of(line))
    assert exactly(record) == exactly(record_of(codecs.BOM_UTF8 + line)), "some editors put one before the first line"
    assert line.count(b"\n") == 1


def test_blob_files_keep_names_apart(tmp_path: Path) -> None:
    """Names that differ are different files, whatever they hold; none lies outside the folder."""
    names = ["a", "a/b", "a/b/c", "a%2Fb", "a//b", "/a", "a/", "%", "%2e/x", "☃", "☃/☃", " a ", "A", "-", "x" * 1024, "x" * 1023]
    files = BlobFiles(tmp_path)
    files.begin()
    for name in names:
        files.write(UPLOADS, name, "text/plain", name.encode())

    found = [blob for _, blob in files.lines() if not isinstance(blob, CorruptDocumentError)]
    assert names == [blob.name for blob in found]
    assert [name.encode() for name in names] == [files.data(blob) for blob in found]
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(tmp_path / "blobs" / UPLOADS)]
    assert [tmp_path / "blobs.jsonl"] == outside


class _PerScope(InMemoryProvider):
    """Sends one organization to Table Storage's stand-in, everything else to SQLite."""

    def __init__(self) -> None:
        def answer(flag: InMemoryFlag[str], context: EvaluationContext) -> FlagResolutionDetails[str]:
            return FlagResolutionDetails("table" if context.targeting_key == ORGANIZATION.value else "sqlite")

        super().__init__({FLAG_KEY: InMemoryFlag("a", {"a": "sqlite"}, context_evaluator=answer)})


@asynccontextmanager
async def spread_store(folder: Path) -> AsyncIterator[Store]:
    """A store over two backends; the one named table is a second SQLite file with its own folder of blobs."""
    api.set_provider(_PerScope(), "test_transfer")
    async with store_in(folder, "spread-table") as table, store_in(folder, "spread-sqlite") as sqlite:
        settings = StoreSettings(sqlite_path=str(folder / "unused.db"), table_connection_string="AccountName=unused")
        async with open_store(settings, flags=api.get_client("test_transfer"), clock=SettableClock()) as store:
            store.backend._backends = {"table": table.backend.backend("sqlite"), "sqlite": sqlite.backend.backend("sqlite")}
            store.backend._blobs = {"table": table.backend.blobs("sqlite"), "sqlite": sqlite.backend.blobs("sqlite")}
            await store.provision()
            yield store
    api.clear_providers()


async def test_scopes_spread_over_backends_are_dumped_from_and_loaded_to_their_own(tmp_path: Path) -> None:
    """A dump takes records and blobs from where the flag sends their scope, stale copies left out; a load puts them there."""
    near, far = versioned(execution(1)), versioned(execution(2, scope=OTHER_ORGANIZATION))
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    async with spread_store(folders[0]) as store:
        for record in (near, far):
            await store.backend.apply(record)
        for backend, text in (("table", b"from table"), ("sqlite", b"from sqlite")):
            for name in ("e-1/result.txt", "e-2/result.txt"):
                await store.backend.blobs(backend).put(EXECUTION_DATA, name, text)
            await store.backend.blobs(backend).put(BRANDING, f"{ORGANIZATION.partition_key}/logo.png", text)
        report = await dump_records(store, tmp_path / "dump")
    async with spread_store(folders[1]) as store:
        await load_records(store, tmp_path / "dump")
        table, sqlite = store.backend.blobs("table"), store.backend.blobs("sqlite")

        assert (2, 3) == (report.records["execution"], report.blobs)
        assert [b"from table", None] == [await table.get(EXECUTION_DATA, f"e-{n}/result.txt") for n in (1, 2)]
        assert [None, b"from sqlite"] == [await sqlite.get(EXECUTION_DATA, f"e-{n}/result.txt") for n in (1, 2)]
        assert b"from table" == await table.get(BRANDING, "o-1/logo.png")
        assert near == await store.backend.backend("table").get(near.key)
        assert await store.backend.backend("sqlite").get(near.key) is None


@pytest.mark.parametrize("is_ours", [True, False], ids=["of this library", "of the old application"])
async def test_a_load_leaves_another_scopes_payload_of_the_same_id(tmp_path: Path, is_ours: bool) -> None:
    """Today's blob names hold no scope: what another scope's run has there stays, and the dumped one is named."""
    async with store_in(tmp_path, "from") as store:
        await store.provision()
        await store.backend.apply(versioned(execution(1)))
        await store.backend.blobs("sqlite").put(EXECUTION_DATA, "e-1/logs.json", b'["dumped"]')
        await dump_records(store, tmp_path / "dump")
    async with store_in(tmp_path, "to") as store:
        await store.provision()
        await store.backend.apply(versioned(execution(1, scope=OTHER_ORGANIZATION)))
        blobs, owner = store.backend.blobs("sqlite"), OTHER_ORGANIZATION.value if is_ours else None
        await blobs.put(EXECUTION_DATA, "e-1/logs.json", b'["theirs"]', owner=owner)
        report = await load_records(store, tmp_path / "dump")

        assert await blobs.read(EXECUTION_DATA, "e-1/logs.json") == Blob(
            "e-1/logs.json", b'["theirs"]', "application/octet-stream", owner
        )
        (refusal,) = report.unreadable
        assert "blob execution-data/e-1/logs.json: the store holds another scope's run of this id" in refusal
        assert report.written == 1


async def test_whose_a_copy_is_travels_along(tmp_path: Path) -> None:
    """A copy under today's name stays its scope's through dump and load, and is newer than what the old application left."""
    copies = [(OTHER_ORGANIZATION.value, b"[1]"), (None, b"[2]")]
    async with store_in(tmp_path, "to") as target:
        for number, (owner, data) in enumerate(copies):
            async with store_in(tmp_path, f"from-{number}") as store:
                await store.provision()
                await store.backend.apply(versioned(execution(1, scope=OTHER_ORGANIZATION)))
                await store.backend.blobs("sqlite").put(EXECUTION_DATA, "e-1/logs.json", data, owner=owner)
                await dump_records(store, tmp_path / f"dump-{number}")
            assert (await load_records(target, tmp_path / f"dump-{number}")).is_complete

        found = await target.backend.blobs("sqlite").read(EXECUTION_DATA, "e-1/logs.json")
        assert found == Blob("e-1/logs.json", b"[1]", "application/octet-stream", OTHER_ORGANIZATION.value)
