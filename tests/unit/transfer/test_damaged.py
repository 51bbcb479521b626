"""Dumps, lines, rows and blobs that are damaged: each is named, and hides no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.core.record import Record
from bifrost_store.errors import BackendUnavailableError, ConfigurationError
from bifrost_store.transfer.lines import line_of
from bifrost_store.transfer.records import dump_records, load_records
from tests.unit.transfer.stores import (
    BLOBS,
    RECORDS,
    Limited,
    assert_equal,
    blobs_of,
    ending,
    fill,
    insert_lines,
    records_of,
    store_in,
)

pytestmark = pytest.mark.anyio


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
