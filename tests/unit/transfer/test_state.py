"""`dump.json` and `load.json` whose values nobody wrote, and reports of dumps that are damaged throughout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from bifrost_store.errors import BackendUnavailableError, ConfigurationError, CorruptDocumentError
from bifrost_store.transfer import loading
from bifrost_store.transfer.records import dump_records, load_records
from bifrost_store.transfer.report import MAX_NAMED, TransferReport
from bifrost_store.transfer.state import DumpState, LoadState, Progressed
from tests.unit.transfer.stores import Limited, ending, fill, insert_lines, store_in

pytestmark = pytest.mark.anyio

IMPOSSIBLE: Final[list[Any]] = [-1, 10**400, 2**63, 1.0, 0.5, True, "0", None, [], {}]
TOO_FAR: Final = [2**63 - 1, 2**31]
"""No places in a small dump."""


def numbers(kind: type[Progressed]) -> list[str]:
    """Return the fields of a state that are whole numbers, but for its version."""
    return [name for name, field in kind.model_fields.items() if field.annotation is int and name != "version"]


async def stopped_load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a dump in *folder*, and a load of it that stopped half way."""
    monkeypatch.setattr(loading, "_LINES_PER_STATE", 2)
    async with store_in(folder, "one") as one, store_in(folder, "other") as other:
        await fill(one)
        await dump_records(one, folder / "dump")
        with ending(monkeypatch, BackendUnavailableError, other.backend, "write", Limited(other.backend.write, 6)):
            await load_records(other, folder / "dump")


@pytest.mark.parametrize("name", numbers(LoadState))
async def test_an_impossible_number_in_a_load_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The file is damaged, and the error says to delete it: also where a place is none at which a line ends."""
    await stopped_load(tmp_path, monkeypatch)
    state = tmp_path / "dump" / "load.json"
    before = json.loads(state.read_text())
    assert 0 < before["last"] < before["position"]
    blob_lines = len((tmp_path / "dump" / "blobs.jsonl").read_bytes().splitlines())
    assert blob_lines
    wrong = {
        "position": [*TOO_FAR, before["position"] - 1, before["position"] + 1, before["last"]],
        "last": [*TOO_FAR, before["position"], before["position"] + 1],
        "data_position": [*TOO_FAR, 1],
        "blob_lines": [*TOO_FAR, blob_lines + 1],
    }.get(name, [])
    async with store_in(tmp_path, "other") as other:
        for value in (*IMPOSSIBLE, *wrong):
            state.write_text(json.dumps({**before, name: value}))
            with pytest.raises(ConfigurationError, match=r"load\.json is damaged; delete it and start again"):
                await load_records(other, tmp_path / "dump")


@pytest.mark.parametrize("name", numbers(DumpState))
async def test_an_impossible_number_in_a_dump_is_named(tmp_path: Path, name: str) -> None:
    """Of a whole dump, when it is loaded, and of one that stopped, when it goes on."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        state = tmp_path / "dump" / "dump.json"
        before = json.loads(state.read_text())
        for value in (*IMPOSSIBLE, *(TOO_FAR if name.endswith("_bytes") else ())):
            shutil.copytree(tmp_path / "dump", tmp_path / "copy")
            (tmp_path / "copy" / "dump.json").write_text(json.dumps({**before, name: value}))
            with pytest.raises(ConfigurationError, match=r"is damaged; delete it and start again|bytes, the dump wrote"):
                await load_records(other, tmp_path / "copy")
            (tmp_path / "copy" / "dump.json").write_text(
                json.dumps({**before, name: value, "is_complete": False, "is_scanned": False})
            )
            with pytest.raises((ConfigurationError, CorruptDocumentError), match=r"start again"):
                await dump_records(one, tmp_path / "copy")
            shutil.rmtree(tmp_path / "copy")


@pytest.mark.parametrize("place", ["position", "data_position"])
async def test_a_place_beyond_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Else the load would skip everything, and say that all was loaded."""
    await stopped_load(tmp_path, monkeypatch)
    state = tmp_path / "dump" / "load.json"
    before = json.loads(state.read_text())
    state.write_text(json.dumps({**before, place: 10_000_000, "last": 9_999_999 if place == "position" else before["last"]}))
    async with store_in(tmp_path, "other") as other:
        with pytest.raises(ConfigurationError, match="damaged"):
            await load_records(other, tmp_path / "dump")


async def test_a_dump_that_is_damaged_throughout_has_a_short_report(tmp_path: Path) -> None:
    """So many bad lines are named, and the others counted, also in ``load.json``: it is written anew with every batch."""
    async with store_in(tmp_path, "one") as one, store_in(tmp_path, "other") as other:
        await fill(one)
        await dump_records(one, tmp_path / "dump")
        bad = [b'{"%s": 1}' % (b"x" * 5_000), *[b"no JSON"] * (MAX_NAMED + 200)]
        insert_lines(tmp_path / "dump", bad)
        report = await load_records(other, tmp_path / "dump")

    saved = (tmp_path / "dump" / "load.json").stat().st_size
    assert not report.is_complete
    assert (MAX_NAMED, len(bad) - MAX_NAMED) == (len(report.unreadable), report.unnamed)
    assert max(map(len, report.unreadable)) < 2_000
    assert saved < 200 * MAX_NAMED


def test_what_is_refused_twice_is_named_once() -> None:
    """A dump that goes on meets again what it refused; and how much is looked through does not grow with what is refused."""
    report = TransferReport()
    for number in (*range(10), *range(10)):
        report.refuse(f"line {number}")
    assert (10, 0) == (len(report.unreadable), report.unnamed)
