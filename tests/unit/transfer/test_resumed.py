"""Dumps and loads that were stopped go on where they were, or say why not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bifrost_store.backends.protocol import ScanPage
from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.errors import BackendUnavailableError, ConfigurationError
from bifrost_store.transfer.blobs import BlobFiles
from bifrost_store.transfer.records import dump_records, load_records
from tests.unit.transfer.stores import BLOBS, RECORDS, InterruptionError, Limited, assert_equal, ending, fill, interrupt, store_in

pytestmark = pytest.mark.anyio


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


@pytest.mark.usefixtures("small_pages")
async def test_a_dump_of_another_store_is_not_finished_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a dump must come from where its beginning came from."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        with ending(monkeypatch, InterruptionError, BlobFiles, "begin", interrupt):
            await dump_records(one, tmp_path / "dump")

        with pytest.raises(ConfigurationError, match=r"another store \(sqlite .*one\.db\)"):
            await dump_records(other, tmp_path / "dump")


@pytest.mark.usefixtures("small_pages")
async def test_an_unfinished_dump_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load says how to finish the dump."""
    async with store_in(tmp_path) as store:
        await fill(store)
        with ending(monkeypatch, InterruptionError, BlobFiles, "begin", interrupt):
            await dump_records(store, tmp_path / "dump")
        with pytest.raises(ConfigurationError, match="finish it with `bifrost-store dump"):
            await load_records(store, tmp_path / "dump")


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
