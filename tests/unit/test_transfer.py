"""`transfer`: dump and load at the waist, whole, resumed and damaged."""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from bifrost_store import GLOBAL, Store, StoreSettings, open_store
from bifrost_store.backends.protocol import ScanPage
from bifrost_store.backends.sqlite import backend as sqlite_backend
from bifrost_store.blobs.protocol import BRANDING, CONTAINERS, EXECUTION_DATA, UPLOADS, Blob
from bifrost_store.core.record import NEVER, Record
from bifrost_store.core.version import Version
from bifrost_store.errors import BackendUnavailableError, ConfigurationError, CorruptDocumentError
from bifrost_store.routing.flag import FLAG_KEY
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import EXAMPLES, ORGANIZATION, OTHER_ORGANIZATION, config, config_of_json, execution
from bifrost_store.testing.strict import exactly
from bifrost_store.transfer import dumping, loading
from bifrost_store.transfer.blobs import BlobFiles
from bifrost_store.transfer.lines import line_of, record_of
from bifrost_store.transfer.records import dump_records, load_records

pytestmark = pytest.mark.anyio

BLOBS = [
    (EXECUTION_DATA, "e-1/result.json", b'{"a": 1}', "application/json"),
    (EXECUTION_DATA, "e-1/write/logs.json", b"[]", "application/octet-stream"),
    (BRANDING, "GLOBAL/square-logo.png", b"\x89PNG", "image/png"),
    (UPLOADS, "a", b"", "text/plain"),
    (UPLOADS, "a/b", b"below it", "text/plain"),
    (UPLOADS, "Größe 1:2?*|<>/%2e/é ünd ☃", b"1", "text/plain; charset=utf-8"),
    (UPLOADS, "x" * 900, b"long", "text/plain"),
    (UPLOADS, "/".join(["☃" * 10] * 50), b"long too", "text/plain"),
]


def versioned(record: Record, revision: int = 1, epoch: int = 0) -> Record:
    return replace(record, version=Version(revision, f"{revision:032x}", epoch), sort_key=record.sort_key or record.key.id)


RECORDS = [
    *(versioned(record) for record in EXAMPLES),
    versioned(config("tombstoned"), 7).tombstone(Version(8, "8" * 32, 3)),
    versioned(execution(5, expires_at=START + timedelta(days=30)), 4, epoch=2),
    versioned(execution(6, expires_at=START - timedelta(days=1)), 2),
    replace(versioned(config_of_json({"big": 2**80, "float": 1.0, "minus": -0.0, "text": "☃\u2028\x00"})), extra={"Mood": "odd"}),
    versioned(config("never", scope=GLOBAL, expires_at=NEVER)),
]


@asynccontextmanager
async def store_in(folder: Path, name: str = "store") -> AsyncIterator[Store]:
    settings = StoreSettings(sqlite_path=str(folder / f"{name}.db"))
    async with open_store(settings, clock=SettableClock()) as store:
        yield store


async def fill(store: Store) -> None:
    await store.provision()
    for record in RECORDS:
        assert await store.backend.apply(record)
    for container, name, data, content_type in BLOBS:
        await store.backend.blobs("sqlite").put(container, name, data, content_type=content_type)


async def records_of(store: Store) -> dict[str, Record]:
    return {str(record.key): record async for page in store.backend.scan() for record in page.records}


async def blobs_of(store: Store) -> list[tuple[str, str, bytes | None, str]]:
    blobs = store.backend.blobs("sqlite")
    return [
        (container, info.name, await blobs.get(container, info.name), info.content_type)
        for container in CONTAINERS
        async for info in blobs.list(container)
    ]


async def assert_equal(one: Store, other: Store) -> None:
    theirs = await records_of(other)
    ours = await records_of(one)
    assert ours.keys() == theirs.keys()
    for key, record in ours.items():
        assert exactly(record) == exactly(theirs[key])
    assert await blobs_of(one) == await blobs_of(other)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump of a few records takes several batches, and so does its load."""
    monkeypatch.setattr(sqlite_backend, "_SCAN_PAGE_SIZE", 2)
    monkeypatch.setattr(dumping, "_BLOBS_PER_STATE", 2)
    monkeypatch.setattr(loading, "_LINES_PER_STATE", 2)
    monkeypatch.setattr(loading, "_BLOBS_PER_STATE", 2)


class InterruptionError(Exception):
    """Stands for whatever ends a process."""


@contextmanager
def ending(monkeypatch: pytest.MonkeyPatch, error: type[Exception], owner: object, name: str, method: object) -> Iterator[None]:
    """Have the block end in *error*, which *method* of *owner* raises."""
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, method)
        with pytest.raises(error):
            yield


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


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("pages", range(7))
async def test_a_dump_goes_on_after_any_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """Ended after any page, half a line written beyond it, the next run goes on there and the dump is whole."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        scan = one.backend.scan

        async def interrupted(resume_token: str | None = None) -> AsyncIterator[ScanPage]:
            number = 0
            async for page in scan(resume_token):
                if number == pages:
                    raise InterruptionError
                yield page
                number += 1
            raise InterruptionError

        with ending(monkeypatch, InterruptionError, one.backend, "scan", interrupted):
            await dump_records(one, tmp_path / "dump")
        with (tmp_path / "dump" / "records.jsonl").open("ab") as lines:
            lines.write(b'{"kind": "config", "sco')
        report = await dump_records(one, tmp_path / "dump")

        assert len(RECORDS) == sum(report.records.values())
        assert len(RECORDS) == len((tmp_path / "dump" / "records.jsonl").read_bytes().splitlines())
        await load_records(other, tmp_path / "dump")
        await assert_equal(one, other)


@pytest.mark.usefixtures("small_pages")
async def test_a_dump_reads_no_blob_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended between blobs, it goes on after the last that was saved."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        blobs = one.backend.blobs("sqlite")
        get = blobs.get
        read: list[str] = []

        async def interrupted(container: str, name: str) -> bytes | None:
            if len(read) == 5:
                raise BackendUnavailableError("out of reach")
            read.append(name)
            return await get(container, name)

        with ending(monkeypatch, BackendUnavailableError, blobs, "get", interrupted):
            await dump_records(one, tmp_path / "dump")
        saved, again = read[:4], []

        async def noted(container: str, name: str) -> bytes | None:
            again.append(name)
            return await get(container, name)

        monkeypatch.setattr(blobs, "get", noted)
        report = await dump_records(one, tmp_path / "dump")
        await load_records(other, tmp_path / "dump")

        assert len(BLOBS) == report.blobs
        assert not set(saved) & set(again)
        monkeypatch.undo()
        await assert_equal(one, other)


async def test_a_complete_dump_is_not_begun_again_unless_told(tmp_path: Path) -> None:
    """It says that it is complete; a restart throws the earlier one away, with files that are no longer there."""
    async with store_in(tmp_path) as store:
        await fill(store)
        await dump_records(store, tmp_path / "dump")
        with pytest.raises(ConfigurationError, match="complete dump"):
            await dump_records(store, tmp_path / "dump")
        await store.backend.blobs("sqlite").delete(EXECUTION_DATA, "e-1/result.json")

        report = await dump_records(store, tmp_path / "dump", restart=True)

    assert (len(RECORDS), len(BLOBS) - 1) == (sum(report.records.values()), report.blobs)
    assert not (tmp_path / "dump" / "blobs" / EXECUTION_DATA / "e-1" / "result.json").exists()


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("notes.txt", "mine", "something else"),
        ("tables", None, "something else"),
        ("dump.json", '{"format": "other", "version": 1}', "not of this program"),
        ("dump.json", "not JSON", "not of this program"),
        pytest.param("dump.json", "[" * 100_000, "not of this program", id="nested"),
        ("dump.json", "[]", "not of this program"),
        ("dump.json", '{"format": "bifrost-store-dump", "version": 3}', "format version 3; this program knows 2"),
    ],
)
async def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, name: str, text: str | None, message: str, *, restart: bool
) -> None:
    """A dump writes into no folder that holds anything but an earlier dump, not even when restarted; nor does a load read it."""
    path = tmp_path / "dump" / name
    if text is None:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir()
        path.write_text(text)
    async with store_in(tmp_path) as store:
        with pytest.raises(ConfigurationError, match=message):
            await dump_records(store, tmp_path / "dump", restart=restart)
        with pytest.raises(ConfigurationError, match="no complete dump|" + message):
            await load_records(store, tmp_path / "dump", restart=restart)

    assert [path] == list((tmp_path / "dump").iterdir())


@pytest.mark.usefixtures("small_pages")
async def test_a_dump_of_another_store_is_not_finished_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a dump must come from where its beginning came from."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        with ending(monkeypatch, InterruptionError, BlobFiles, "begin", _interrupt):
            await dump_records(one, tmp_path / "dump")

        with pytest.raises(ConfigurationError, match=r"another store \(sqlite .*one\.db\)"):
            await dump_records(other, tmp_path / "dump")


def _interrupt(*args: Any, **values: Any) -> None:
    raise InterruptionError


@pytest.mark.parametrize("name", ["records.jsonl", "blobs.jsonl"])
@pytest.mark.parametrize("damage", [-1, 1, None])
async def test_a_truncated_dump_is_refused(tmp_path: Path, name: str, damage: int | None) -> None:
    """A file that is shorter, longer or gone since the dump was finished is refused before anything is written."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        path = tmp_path / "dump" / name
        data = path.read_bytes()
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(data[:-1] if damage < 0 else data + b"\n")

        with pytest.raises(ConfigurationError, match=rf"{name} has \d+ bytes, the dump wrote {len(data)}"):
            await load_records(other, tmp_path / "dump")
        await other.provision()
        assert {} == await records_of(other)


@pytest.mark.usefixtures("small_pages")
async def test_an_unfinished_dump_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load says how to finish the dump."""
    async with store_in(tmp_path) as store:
        await fill(store)
        with ending(monkeypatch, InterruptionError, BlobFiles, "begin", _interrupt):
            await dump_records(store, tmp_path / "dump")
        with pytest.raises(ConfigurationError, match="finish it with `bifrost-store dump"):
            await load_records(store, tmp_path / "dump")


class Limited:
    """Lets so many calls of a method through, then fails."""

    def __init__(self, call: Any, limit: int) -> None:
        self._call = call
        self._left = limit
        self.count = 0

    async def __call__(self, *args: Any, **values: Any) -> Any:
        if self._left == 0:
            raise BackendUnavailableError("out of reach")
        self._left -= 1
        self.count += 1
        return await self._call(*args, **values)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("limit", [0, 1, 5, 10])
async def test_a_load_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Ended after any record, the next run applies the rest, and reports what all runs carried."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        with ending(monkeypatch, BackendUnavailableError, other.backend, "write", Limited(other.backend.write, limit)):
            await load_records(other, tmp_path / "dump")
        rest = Limited(other.backend.write, 1000)
        monkeypatch.setattr(other.backend, "write", rest)
        report = await load_records(other, tmp_path / "dump")

        assert len(RECORDS) == sum(report.records.values())
        assert rest.count <= len(RECORDS) - limit // 2 * 2 + 1
        await assert_equal(one, other)


@pytest.mark.usefixtures("small_pages")
async def test_blobs_go_on_where_they_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended between blobs, the next run of a load stores the rest."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        blobs = other.backend.blobs("sqlite")
        with ending(monkeypatch, BackendUnavailableError, blobs, "put", Limited(blobs.put, 4)):
            await load_records(other, tmp_path / "dump")
        rest = Limited(blobs.put, 1000)
        monkeypatch.setattr(blobs, "put", rest)
        report = await load_records(other, tmp_path / "dump")

        assert (len(BLOBS), len(BLOBS) - 4) == (report.blobs, rest.count)
        await assert_equal(one, other)


@pytest.mark.usefixtures("small_pages")
async def test_a_load_begun_elsewhere_is_not_continued_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second store gets everything, also after a load into the first one was interrupted or finished."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "two") as two, store_in(tmp_path, "three") as three:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        with ending(monkeypatch, BackendUnavailableError, two.backend, "write", Limited(two.backend.write, 5)):
            await load_records(two, tmp_path / "dump")
        for store in (three, two):
            report = await load_records(store, tmp_path / "dump")
            assert len(RECORDS) == sum(report.records.values())
            await assert_equal(one, store)


async def test_a_complete_load_says_so_unless_told_or_emptied(tmp_path: Path) -> None:
    """Loading again into the same store is refused; not so if it was asked for, or if the store was emptied meanwhile."""
    async with store_in(tmp_path, "one") as one:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
    async with store_in(tmp_path, "other") as other:
        await load_records(other, tmp_path / "dump")
        with pytest.raises(ConfigurationError, match="loaded into this store already"):
            await load_records(other, tmp_path / "dump")
        again = await load_records(other, tmp_path / "dump", restart=True)
        # An expired record is absent: it is written again each time.
        assert (1, len(RECORDS)) == (again.written, sum(again.records.values()))
    remove_database(tmp_path / "other.db")
    async with store_in(tmp_path, "other") as emptied:
        assert len(RECORDS) == (await load_records(emptied, tmp_path / "dump")).written


def remove_database(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        if file.is_file():
            file.unlink()


def changed_line(record: Record, **changes: Any) -> bytes:
    return json.dumps({**json.loads(line_of(record)), **changes}).encode()


WRONG_LINES = [
    b"not JSON",
    b"[]",
    b'{"kind": "config"}',
    b"[" * 10_000,
    b'{"a": NaN}',
    changed_line(RECORDS[1], revision="1"),
    changed_line(RECORDS[1], revision=0),
    changed_line(RECORDS[1], writeId="short"),
    changed_line(RECORDS[1], kind=["config"]),
    changed_line(RECORDS[1], kind="spaceship"),
    changed_line(RECORDS[1], scope="org-"),
    changed_line(RECORDS[1], body={}),
    changed_line(RECORDS[1], body=None),
    changed_line(RECORDS[1], expiresAt="tomorrow"),
    changed_line(RECORDS[1], expiresAt="2025-11-20T12:00:00", surplus=1),
    changed_line(RECORDS[1], id="\ud800"),
    changed_line(RECORDS[1], sortKey="☃"),
    changed_line(RECORDS[1], isTombstone=1),
    changed_line(RECORDS[1], isTombstone=True),
    changed_line(RECORDS[1], revision=2**63),
    changed_line(RECORDS[1], epoch=10**30),
]


async def test_an_unreadable_line_hides_no_other(tmp_path: Path) -> None:
    """Each wrong line is named by its place; everything else is loaded, and the report says that something is missing."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        insert_lines(tmp_path / "dump", WRONG_LINES)

        report = await load_records(other, tmp_path / "dump")

        assert not report.is_complete
        assert len(WRONG_LINES) == len(report.unreadable)
        assert all(line.startswith("records.jsonl at byte ") for line in report.unreadable)
        await assert_equal(one, other)


def insert_lines(folder: Path, lines: list[bytes]) -> None:
    path = folder / "records.jsonl"
    first, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(b"\n".join([first, *lines, rest]))
    state = json.loads((folder / "dump.json").read_text())
    (folder / "dump.json").write_text(json.dumps({**state, "records_bytes": path.stat().st_size}))


@pytest.mark.usefixtures("small_pages")
async def test_what_was_unreadable_before_a_load_stopped_is_still_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed load ends as incomplete as it began."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        insert_lines(tmp_path / "dump", [b"not JSON"])
        with ending(monkeypatch, BackendUnavailableError, other.backend, "write", Limited(other.backend.write, 6)):
            await load_records(other, tmp_path / "dump")

        report = await load_records(other, tmp_path / "dump")

    assert 1 == len(report.unreadable)
    assert len(RECORDS) == sum(report.records.values())


async def test_an_unreadable_row_is_named_by_the_dump(tmp_path: Path) -> None:
    """A stored row that cannot be read is in the report, and the others are in the dump."""
    import sqlite3

    async with store_in(tmp_path) as store:
        await fill(store)
        with sqlite3.connect(tmp_path / "store.db") as connection:
            assert 1 == connection.execute("UPDATE records SET body = '{' WHERE kind = 'organization'").rowcount
        connection.close()
        report = await dump_records(store, tmp_path / "dump")

    assert not report.is_complete
    assert ["organization" in line for line in report.unreadable] == [True]
    assert len(RECORDS) - 1 == sum(report.records.values())


@pytest.mark.parametrize("damage", ["missing", "shorter", "renamed", "no JSON", "elsewhere"])
async def test_a_damaged_blob_hides_no_other(tmp_path: Path, damage: str) -> None:
    """A blob that is not as listed, or that no store can keep, is named; the others are stored."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        file, listed = tmp_path / "dump" / "blobs" / EXECUTION_DATA / "e-1" / "result.json", tmp_path / "dump" / "blobs.jsonl"
        (line,) = [line for line in listed.read_bytes().splitlines() if b"e-1/result.json" in line]
        if damage == "missing":
            file.unlink()
        elif damage == "shorter":
            file.write_bytes(b"{")
        else:
            wrong = {
                "renamed": line.replace(b"e-1/result.json", b"e-1/result.jso."),
                "no JSON": b"x" * len(line),
                "elsewhere": line.replace(b"execution-data", b"../../../../ab"),
            }
            listed.write_bytes(listed.read_bytes().replace(line, wrong[damage]))

        report = await load_records(other, tmp_path / "dump")

        assert 1 == len(report.unreadable)
        assert len(BLOBS) - 1 == report.blobs
        assert {name for _, name, *_ in BLOBS[1:]} == {name for _, name, *_ in await blobs_of(other)}


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
