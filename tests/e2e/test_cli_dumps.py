"""Dumps, loads and raw rows by the command line, killed ones among them."""

from __future__ import annotations

import json
import os
import re
import time
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import ConfigType, ExecutionStatus, Scope, Store
from tests import commands
from tests.commands import Settings
from tests.e2e.calling import error_of, in_store, lines_of, report, run, same_files, set_configs

DATA = Path(str(resources.files("bifrost_store.demo") / "data"))
LEGACY = Path(os.environ.get("BIFROST_LEGACY_DATA") or Path(__file__).parents[3] / "shared" / "data" / "legacy")
CLOSED_PORT = "http://127.0.0.1:9/acme"
UNREACHABLE = f"AccountName=acme;AccountKey=c2VjcmV0;TableEndpoint={CLOSED_PORT};BlobEndpoint={CLOSED_PORT}"


def test_raw_rows_come_back_byte_for_byte(table: Settings, tmp_path: Path) -> None:
    """The demo's rows and blobs, loaded and dumped, are the same files; a second load changes nothing."""
    loaded = report("tables", "load", DATA, settings=table)
    dumped = report("tables", "dump", tmp_path / "dump", settings=table)
    again = report("tables", "load", tmp_path / "dump", settings=table)

    assert loaded["counts"] == dumped["counts"] == again["counts"]
    same_files(DATA, tmp_path / "dump")
    assert "is not empty" in error_of(run("tables", "dump", tmp_path / "dump", settings=table, check=2))


@pytest.mark.skipif(not LEGACY.is_dir(), reason="the legacy data set is not here; set BIFROST_LEGACY_DATA to its folder")
def test_the_platforms_own_data_comes_back_byte_for_byte(table: Settings, tmp_path: Path) -> None:
    """Every row and blob of the real data set, loaded and dumped, is the same to the byte."""
    run("tables", "load", LEGACY, settings=table)
    run("tables", "dump", tmp_path / "dump", settings=table)

    assert (LEGACY / "blobs.jsonl").read_bytes() == (tmp_path / "dump" / "blobs.jsonl").read_bytes()
    for folder in ("tables", "blobs"):
        same_files(LEGACY / folder, tmp_path / "dump" / folder)


TYPED_ROW = {
    "PartitionKey": "p",
    "RowKey": "a",
    "Int64": "9223372036854775807",
    "Int64@odata.type": "Edm.Int64",
    "Small": "-1",
    "Small@odata.type": "Edm.Int64",
    "Int32": -2147483648,
    "Int32@odata.type": "Edm.Int32",
    "Double": 0.1,
    "Double@odata.type": "Edm.Double",
    "Whole": 1.0,
    "Whole@odata.type": "Edm.Double",
    "Huge": 1.7976931348623157e308,
    "Huge@odata.type": "Edm.Double",
    "NaN": "NaN",
    "NaN@odata.type": "Edm.Double",
    "Infinite": "Infinity",
    "Infinite@odata.type": "Edm.Double",
    "Negative": "-Infinity",
    "Negative@odata.type": "Edm.Double",
    "Time": "2025-11-20T12:00:00.1234567Z",
    "Time@odata.type": "Edm.DateTime",
    "Second": "2025-11-20T12:00:00Z",
    "Second@odata.type": "Edm.DateTime",
    "Guid": "c9da6455-213d-42c9-9a79-3e9149a57833",
    "Guid@odata.type": "Edm.Guid",
    "Binary": "AAEC/w==",
    "Binary@odata.type": "Edm.Binary",
    "Nothing": "",
    "Nothing@odata.type": "Edm.Binary",
    "Yes": True,
    "Yes@odata.type": "Edm.Boolean",
    "Text": '☃😀 \u2028 "quoted" 2025-11-20T12:00:00Z',
    "Empty": "",
    "Digits": "42",
}


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write one table in the form of the platform's data sets."""
    (folder / "tables").mkdir(parents=True)
    ordered = sorted(rows, key=lambda row: (row["PartitionKey"], row["RowKey"]))
    lines = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in ordered]
    (folder / "tables" / "Typed.jsonl").write_text("".join(lines), "utf-8")
    (folder / "blobs.jsonl").touch()
    return folder


def test_every_column_type_survives(table: Settings, tmp_path: Path) -> None:
    """Each Edm type, at its limits, and more rows of a partition than a transaction takes come back byte for byte."""
    many = [{"PartitionKey": f"p{n % 2}", "RowKey": f"{n:04d} é", "Text": "x" * n} for n in range(250)]
    folder = write_rows(tmp_path / "rows", [TYPED_ROW, *many])

    assert {"Typed": 251, "blobs": 0} == report("tables", "load", folder, settings=table)["counts"]
    run("tables", "dump", tmp_path / "dump", settings=table)

    same_files(folder / "tables", tmp_path / "dump" / "tables")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"PartitionKey": "p"}, "row 1 of Typed: PartitionKey and RowKey must be text"),
        ({"PartitionKey": "p", "RowKey": "r", "A": "x", "A@odata.type": "Edm.Int64"}, "row 1 of Typed: A"),
        ({"PartitionKey": "p", "RowKey": "r", "A": "x", "A@odata.type": "Edm.Int32"}, "row 1 of Typed: A"),
        ({"PartitionKey": "p", "RowKey": "r", "A": 1, "A@odata.type": "Edm.String"}, "row 1 of Typed: A"),
        ({"PartitionKey": "p", "RowKey": "r", "A": "x", "A@odata.type": "Edm.Vector"}, "row 1 of Typed: A"),
        ({"PartitionKey": "p", "RowKey": "r", "A": None}, "row 1 of Typed: A"),
        ({"PartitionKey": "p", "RowKey": "r", "A": {"b": 1}}, "row 1 of Typed: A"),
    ],
)
def test_a_row_that_cannot_be_stored_is_named(table: Settings, tmp_path: Path, row: dict[str, Any], message: str) -> None:
    """The error names table, row and column."""
    (tmp_path / "rows" / "tables").mkdir(parents=True)
    (tmp_path / "rows" / "tables" / "Typed.jsonl").write_text(json.dumps(row))

    assert message in error_of(run("tables", "load", tmp_path / "rows", settings=table, check=1))


@pytest.fixture(params=["sqlite", "cosmos"])
def elsewhere(request: pytest.FixtureRequest) -> Settings:
    """An empty store that is not Table Storage."""
    settings: Settings = request.getfixturevalue(request.param)
    return settings


def test_a_dump_is_carried_to_any_backend(table: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    """Today's rows dumped from Table Storage, loaded elsewhere, and dumped there: both dumps are equal."""
    run("tables", "load", DATA, settings=table)
    first = report("dump", tmp_path / "a", settings=table)
    loaded = report("load", tmp_path / "a", settings=elsewhere)
    second = report("dump", tmp_path / "b", settings=elsewhere)

    assert first["records"] == loaded["records"] == second["records"]
    assert first["blobs"] == loaded["blobs"] == second["blobs"]
    assert 64 == first["records"]["execution"]
    same_dumps(tmp_path / "a", tmp_path / "b")


async def fill(store: Store) -> None:
    """Write what is hard to carry: versions, tombstones, any JSON, payloads."""
    await store.provision()
    await store.organizations.create("Contoso", created_by="kim@contoso.com", id="o-1", domain="contoso.com")
    await store.users.create("kim@contoso.com", organization_id="o-1")
    await store.users.create("sam@contoso.com", organization_id="o-1")
    await store.users.delete("sam@contoso.com")
    scope = Scope.organization("o-1")
    await store.config.set(scope, "limits", {"a": [1, 1.0, 2**70]}, config_type=ConfigType.JSON, updated_by="kim@contoso.com")
    run = await store.executions.create(scope, workflow_name="sync", executed_by="kim@contoso.com", executed_by_name="Kim")
    await store.executions.complete(run, ExecutionStatus.SUCCESS, result=["x" * 5000])


def same_dumps(one: Path, other: Path) -> None:
    assert lines_of(one) == lines_of(other)
    documents = [sorted((folder / "execution_data.jsonl").read_text("ascii").splitlines()) for folder in (one, other)]
    assert documents[0] == documents[1]
    assert (one / "blobs").exists() == (other / "blobs").exists()
    if (one / "blobs").exists():
        same_files(one / "blobs", other / "blobs")


def test_a_dump_loaded_into_an_empty_account_is_whole(table: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    """To Table Storage nothing is lost either, versions and tombstones included, where all payloads are blobs."""
    elsewhere = {**elsewhere, "BIFROST_STORE_REALTIME": "off"}
    in_store(elsewhere, fill)
    first = report("dump", tmp_path / "a", settings=elsewhere)
    run("load", tmp_path / "a", settings=table)
    run("dump", tmp_path / "b", settings=table)

    assert 2 == first["records"]["tombstone"]
    same_dumps(tmp_path / "a", tmp_path / "b")


def test_a_dump_goes_round_without_table_storage(sqlite: Settings, cosmos: Settings, tmp_path: Path) -> None:
    """From SQLite to Cosmos DB, and from there to another SQLite file: three equal dumps, execution data among them."""
    in_store(sqlite, fill)
    other = {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "other.db")}
    for number, (source, target) in enumerate(((sqlite, cosmos), (cosmos, other))):
        run("dump", tmp_path / str(number), settings=source)
        assert 2 == report("load", tmp_path / str(number), settings=target)["records"]["tombstone"]
    run("dump", tmp_path / "2", settings=other)

    assert (tmp_path / "0" / "execution_data.jsonl").stat().st_size > 5000
    same_dumps(tmp_path / "0", tmp_path / "1")
    same_dumps(tmp_path / "1", tmp_path / "2")


def test_a_finished_dump_or_load_says_so(sqlite: Settings, tmp_path: Path) -> None:
    """Running either again is refused with a word about ``--restart``, which begins anew."""
    in_store(sqlite, partial(set_configs, count=1))
    other = {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "other.db")}
    for command, settings in (("dump", sqlite), ("load", other)):
        run(command, tmp_path / "dump", settings=settings)
        assert "--restart" in error_of(run(command, tmp_path / "dump", settings=settings, check=2))
        assert 1 == report(command, tmp_path / "dump", "--restart", settings=settings)["records"]["config"]


def test_a_dump_or_load_of_nothing_says_so(sqlite: Settings, tmp_path: Path) -> None:
    """Whoever named the wrong store reads that nothing was there, and how much of a load was new."""
    other = {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "other.db")}
    assert ["no records", "blobs: 0"] == run("dump", tmp_path / "empty", settings=sqlite).stdout.splitlines()
    assert ["no records", "written: 0", "blobs: 0"] == run("load", tmp_path / "empty", settings=other).stdout.splitlines()

    in_store(sqlite, partial(set_configs, count=2))
    run("dump", tmp_path / "dump", settings=sqlite)
    first = run("load", tmp_path / "dump", settings=other).stdout.splitlines()
    again = run("load", tmp_path / "dump", "--restart", settings=other).stdout.splitlines()

    assert (["config: 2", "written: 2", "blobs: 0"], "written: 0 (2 were there already)") == (first, again[1])


def test_a_killed_dump_and_load_go_on(sqlite: Settings, tmp_path: Path) -> None:
    """Killed in the middle, both go on where they were and carry everything once; the lines are whole."""
    killed_and_gone_on(sqlite, {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "other.db")}, tmp_path, count=4000)


def test_a_killed_dump_and_load_of_cosmos_go_on(cosmos: Settings, tmp_path: Path) -> None:
    """The same from one database to another; of the same account, they are two stores."""
    killed_and_gone_on(cosmos, cosmos | {"BIFROST_STORE_COSMOS_DATABASE": "other"}, tmp_path, count=1500)


def killed_and_gone_on(source: Settings, target: Settings, tmp_path: Path, count: int) -> None:
    in_store(source, partial(set_configs, count=count))
    folder = tmp_path / "dump"
    kill_when(folder / "dump.json", r'"records_bytes": [1-9]', "dump", folder, settings=source)
    interrupted = json.loads((folder / "dump.json").read_text())
    dumped = report("dump", folder, settings=source)
    kill_when(folder / "load.json", r'"position": [1-9]', "load", folder, settings=target)
    begun = json.loads((folder / "load.json").read_text())
    loaded = report("load", folder, settings=target)

    assert not interrupted["is_complete"]
    assert not begun["is_complete"]
    assert {"config": count} == dumped["records"] == loaded["records"]
    assert count == len({json.loads(line)["id"] for line in lines_of(folder)})
    run("dump", tmp_path / "again", settings=target)
    assert lines_of(folder) == lines_of(tmp_path / "again")


def test_a_dump_of_one_database_is_not_gone_on_with_from_another(cosmos: Settings, tmp_path: Path) -> None:
    """The beginning of a dump names its database, so that two of one account cannot be mixed."""
    other = cosmos | {"BIFROST_STORE_COSMOS_DATABASE": "other"}
    in_store(cosmos, partial(set_configs, count=1500))
    run("init", settings=other)
    kill_when(tmp_path / "dump" / "dump.json", r'"records_bytes": [1-9]', "dump", tmp_path / "dump", settings=cosmos)
    error = error_of(run("dump", tmp_path / "dump", settings=other, check=2))

    assert "holds the beginning of a dump of another store (cosmos http://127.0.0.1:" in error
    assert " bifrost)" in error


def kill_when(file: Path, pattern: str, *arguments: str | Path, settings: Settings) -> None:
    """Start a command and kill it as soon as *file* holds *pattern*."""
    process = commands.start(*arguments, settings=settings, said=Path(os.devnull), complained=Path(os.devnull))
    while process.exitcode is None:
        if file.exists() and re.search(pattern, file.read_text()):
            process.kill()
            process.join()
        time.sleep(0.001)


def test_an_unreadable_row_makes_a_dump_fail_but_hides_nothing(table: Settings, tmp_path: Path) -> None:
    """The row is named, everything else is dumped, and the exit code is 1."""
    wrong = {"PartitionKey": "GLOBAL", "RowKey": "user:kim@contoso.com", "Email": "kim@contoso.com", "IsActive": "maybe"}
    folder = tmp_path / "rows" / "tables"
    folder.mkdir(parents=True)
    broken = {**wrong, "BsVersion": "rubbish", "BsRevision": "x", "BsBody": "{"}
    (folder / "Entities.jsonl").write_text(json.dumps(broken) + "\n" + json.dumps({**_org_row(), "RowKey": "org:o-1"}))
    run("init", settings=table)
    run("tables", "load", tmp_path / "rows", settings=table)

    done = report("dump", tmp_path / "dump", settings=table, check=1)

    assert 1 == len(done["unreadable"])
    assert "user:kim@contoso.com" in done["unreadable"][0] or "kim@contoso.com" in done["unreadable"][0]
    assert {"organization": 1} == done["records"]
    text = run("dump", tmp_path / "dump", "--restart", settings=table, check=1).stdout.splitlines()
    assert "organization: 1" in text
    assert any(line.startswith("unreadable: ") for line in text)


def _org_row() -> dict[str, Any]:
    moment = "2025-11-14T11:11:51"
    return {
        "PartitionKey": "GLOBAL",
        "Name": "Contoso",
        "IsActive": True,
        "CreatedBy": "k",
        "CreatedAt": moment,
        "UpdatedAt": moment,
    }
