"""The command line as processes: what it prints, where, and how it exits."""

from __future__ import annotations

import asyncio
import filecmp
import json
import os
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import GLOBAL, ConfigType, ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.core.operations import Apply
from bifrost_store.core.version import Version
from bifrost_store.demo.azurite import COMMAND_VARIABLE, Azurite
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import config
from tests import commands
from tests.commands import Finished, Settings, environment

DATA = Path(str(resources.files("bifrost_store.demo") / "data"))
LEGACY = Path(os.environ.get("BIFROST_LEGACY_DATA") or Path(__file__).parents[3] / "shared" / "data" / "legacy")
CLOSED_PORT = "http://127.0.0.1:9/acme"
UNREACHABLE = f"AccountName=acme;AccountKey=c2VjcmV0;TableEndpoint={CLOSED_PORT};BlobEndpoint={CLOSED_PORT}"


def run(*arguments: str | Path, settings: Settings, check: int = 0) -> Finished:
    """Run one command to its end and demand its exit code."""
    finished = commands.run(*arguments, settings=settings)
    assert check == finished.returncode, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
    return finished


def report(*arguments: str | Path, settings: Settings, check: int = 0) -> dict[str, Any]:
    """Run one command with ``--json``; its stdout must be one JSON object and nothing else."""
    finished = run(*arguments, "--json", settings=settings, check=check)
    values: dict[str, Any] = json.loads(finished.stdout)
    assert finished.stdout.count("\n") == 1
    assert values["ok"] is (check == 0)
    return values


def error_of(finished: Finished) -> str:
    """The one line that says what went wrong."""
    lines = finished.stderr.splitlines()
    assert finished.stdout == ""
    assert 1 == len(lines), finished.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture
def sqlite(tmp_path: Path) -> Settings:
    """A SQLite store of this test's own."""
    return {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "store.db")}


@pytest.fixture
def table(empty_azurite: Azurite) -> Settings:
    """A Table Storage account without a table."""
    return {"BIFROST_STORE_BACKEND": "table", "BIFROST_STORE_TABLE_CONNECTION_STRING": empty_azurite.connection_string}


@pytest.fixture
def cosmos(empty_cosmos: CosmosEmulator, tmp_path: Path) -> Settings:
    """A Cosmos DB store of this test's own, its payloads in a folder."""
    return {
        "BIFROST_STORE_BACKEND": "cosmos",
        "BIFROST_STORE_COSMOS_CONNECTION_STRING": empty_cosmos.connection_string,
        "BIFROST_STORE_BLOB_FOLDER": str(tmp_path / "payloads"),
    }


def in_store(settings: Settings, function: Any) -> Any:
    """Run an async function on a store in this process."""

    async def call() -> Any:
        async with open_store(StoreSettings.from_environment(settings)) as store:
            return await function(store)

    # Not anyio.run: where sniffio is installed it takes the loop of the plugin, which waits, for one that runs.
    return asyncio.run(call())


def lines_of(folder: Path) -> list[bytes]:
    return sorted((folder / "records.jsonl").read_bytes().splitlines())


def test_init_then_ping(sqlite: Settings) -> None:
    """Both print a line for the backend and one for its blob store; twice does no harm."""
    for command in ("init", "init", "ping"):
        lines = run(command, settings=sqlite).stdout.splitlines()

        assert [True, True] == [lines[0].startswith("SQLite "), lines[1].startswith("folder ")]
    assert 2 == len(report("ping", settings=sqlite)["stores"])
    assert 2 == len(report("init", settings=sqlite)["stores"])


def test_an_account_without_tables_says_how_to_make_them(table: Settings) -> None:
    """Before `init` a ping fails and names the remedy; after it, it is fine."""
    assert "run `bifrost-store init`" in error_of(run("ping", settings=table, check=1))
    run("init", settings=table)
    assert report("ping", settings=table)["stores"][0].startswith("table: account devstoreaccount1")


def test_an_account_without_containers_says_how_to_make_them(cosmos: Settings, tmp_path: Path) -> None:
    """The same on Cosmos DB; the other databases of the account are none of its business."""
    assert "run `bifrost-store init`" in error_of(run("ping", settings=cosmos, check=1))
    run("init", settings=cosmos)
    lines = report("ping", settings=cosmos)["stores"]

    assert lines[0].startswith("cosmos: ")
    assert "database bifrost" in lines[0]
    assert f"folder {tmp_path / 'payloads'}" == lines[1]
    other = cosmos | {"BIFROST_STORE_COSMOS_DATABASE": "other"}
    assert "run `bifrost-store init`" in error_of(run("ping", settings=other, check=1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"BIFROST_STORE_BACKEND": "mongo"}, "BIFROST_STORE_BACKEND: "),
        ({"BIFROST_STORE_BACKND": "table"}, "did you mean BIFROST_STORE_BACKEND?"),
        ({"BIFROST_STORE_BACKEND": "table"}, "set BIFROST_STORE_TABLE_CONNECTION_STRING or BIFROST_STORE_TABLE_ENDPOINT"),
        ({"BIFROST_STORE_BACKEND": "table", "AzureWebJobsStorage": "AccountKey;c2VjcmV0"}, "connection string cannot be read"),
        ({"BIFROST_STORE_BACKEND": "cosmos"}, "set BIFROST_STORE_COSMOS_CONNECTION_STRING or BIFROST_STORE_COSMOS_ENDPOINT"),
        ({"BIFROST_STORE_BACKEND": "cosmos", "CosmosDBConnection": "AccountKey;c2VjcmV0"}, "connection string cannot be read"),
        (
            {"BIFROST_STORE_COSMOS_DATABASE": "a/b", "CosmosDBConnection": "AccountEndpoint=http://a;AccountKey=c2VjcmV0"},
            "BIFROST_STORE_COSMOS_DATABASE: must be 1 to 255 characters",
        ),
    ],
)
def test_wrong_settings_exit_with_2(settings: Settings, message: str) -> None:
    """One clear line on stderr, nothing on stdout, no secret anywhere."""
    finished = run("ping", settings=settings, check=2)

    assert message in error_of(finished)
    assert "c2VjcmV0" not in finished.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["launch"],
        ["ping", "--fast"],
        ["dump"],
        ["load", "no such folder"],
        ["tables", "load", "no such folder"],
        ["tables", "drop"],
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], sqlite: Settings) -> None:
    """Unknown commands and options, and missing folders, are told on stderr."""
    finished = run(*arguments, settings=sqlite, check=2)

    assert finished.stdout == ""
    assert finished.stderr


def test_every_command_explains_itself(sqlite: Settings) -> None:
    """``--help`` says what a command does; the list of them is complete."""
    commands = run("--help", settings=sqlite).stdout

    for command in ("init", "ping", "repair", "purge", "dump", "load", "usage", "demo", "tables"):
        assert f" {command} " in commands
        assert "Usage: " in run(command, "--help", settings=sqlite).stdout


def test_an_unreachable_server_is_one_line_and_its_causes_on_demand() -> None:
    """The line says what to check; ``--verbose`` adds the chain of causes; the key is in neither."""
    settings = {"BIFROST_STORE_BACKEND": "table", "BIFROST_STORE_TABLE_CONNECTION_STRING": UNREACHABLE}
    error = error_of(run("ping", settings=settings, check=1))
    verbose = run("--verbose", "ping", settings=settings, check=1).stderr

    assert "cannot be reached; check endpoint and network" in error
    assert "  caused by ConnectionRefusedError: " in verbose
    assert "c2VjcmV0" not in error + verbose
    assert verbose == run("ping", "--verbose", settings=settings, check=1).stderr
    assert verbose == run("ping", "-v", settings=settings, check=1).stderr


def test_an_unreachable_cosmos_account_is_one_line_too(tmp_path: Path) -> None:
    """Nothing is tried for long, the cause is there on demand, and the key is in neither."""
    settings = {
        "BIFROST_STORE_BACKEND": "cosmos",
        "BIFROST_STORE_COSMOS_CONNECTION_STRING": "AccountEndpoint=http://127.0.0.1:9/;AccountKey=c2VjcmV0;",
        "BIFROST_STORE_BLOB_FOLDER": str(tmp_path),
    }
    error = error_of(run("ping", settings=settings, check=1))
    verbose = run("-v", "ping", settings=settings, check=1).stderr

    assert "cannot be reached; check endpoint and network" in error
    assert "  caused by ConnectionRefusedError: " in verbose
    assert "c2VjcmV0" not in error + verbose


def test_payloads_without_a_place_say_what_to_set(empty_cosmos: CosmosEmulator) -> None:
    """Cosmos DB holds no blobs: without an account or folder for them the first command says how to name one."""
    settings = {"BIFROST_STORE_BACKEND": "cosmos", "CosmosDBConnection": empty_cosmos.connection_string}

    assert "BIFROST_STORE_BLOB_FOLDER" in error_of(run("init", settings=settings, check=2))


def test_with_json_an_error_is_one_object_too(tmp_path: Path) -> None:
    """Whoever reads stdout alone learns the same: what went wrong, whether to try again, and on demand why; never a key."""
    unreachable = {"BIFROST_STORE_BACKEND": "table", "BIFROST_STORE_TABLE_CONNECTION_STRING": UNREACHABLE}
    lone = report("ping", settings=unreachable, check=1)["error"]
    causes = report("ping", "-v", settings=unreachable, check=1)["error"].pop("causes")
    tables = report("tables", "dump", tmp_path / "new", "-v", settings=unreachable, check=1)["error"]
    wrong = report("ping", settings={"BIFROST_STORE_BACKEND": "mongo"}, check=2)["error"]
    refused = report("dump", "/proc/dump", settings={"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "store.db")}, check=1)["error"]

    message = "Table Storage at 127.0.0.1:9 cannot be reached; check endpoint and network, then try again"
    assert lone == {
        "type": "BackendUnavailableError", "message": message, "is_retryable": True, "retry_after_seconds": None,
        "backend": "table", "operation": "ping", "key": None, "causes": [],
    }  # fmt: skip
    assert any(cause.startswith("ConnectionRefusedError: ") for cause in causes)
    assert (tables["type"], wrong["type"], refused["is_retryable"]) == ("BackendUnavailableError", "ConfigurationError", None)
    assert len(tables["causes"]) >= 1
    assert "c2VjcmV0" not in json.dumps([lone, causes, tables])


def test_usage_shows_what_calls_cost_and_changes_nothing(table: Settings, tmp_path: Path) -> None:
    """Every row and blob is as before; each call names its requests, bytes and times, those of an organization on demand."""
    run("tables", "load", DATA, settings=table)
    run("init", settings=table)
    run("tables", "dump", tmp_path / "before", settings=table)
    shown = run("usage", settings=table).stdout.splitlines()
    measured = report("usage", "--scope", "78d59681-48de-446a-b1ee-740e5515150f", settings=table)
    run("tables", "dump", tmp_path / "after", settings=table)

    same_files(tmp_path / "before", tmp_path / "after")
    assert shown[0].startswith("table http://127.0.0.1:")
    assert shown[1].split() == [
        "operation", "backend", "calls", "failed", "retries", "requests/call", "sent/call", "received/call",
        "mean", "ms", "p95", "ms", "max", "ms",
    ]  # fmt: skip
    assert ["config.get", "table", "3", "0", "0", "table", "1", "0.0", "kB", "0.2", "kB"] in [line.split()[:11] for line in shown]
    rows = {row["operation"]: row for row in measured["operations"]}
    assert {"organizations.list", "users.list_organization", "executions.get", "audit.list", "backend.ping"} <= rows.keys()
    get = rows["config.get"]
    assert (get["backend"], get["calls"], get["failures"], get["requests_by_service"]) == ("table", 3, 0, {"table": 6})
    assert get["received_bytes"] > 0 < get["mean_seconds"] <= get["max_seconds"]
    assert measured["failures"] == []


def test_usage_tells_the_request_units_of_cosmos(cosmos: Settings, empty_cosmos: CosmosEmulator, tmp_path: Path) -> None:
    """Each call names what it was charged; no record changes."""
    in_store(cosmos, partial(set_configs, count=3))
    run("dump", tmp_path / "before", settings=cosmos)
    measured = report("usage", settings=cosmos)
    run("dump", tmp_path / "after", settings=cosmos)

    assert lines_of(tmp_path / "before") == lines_of(tmp_path / "after")
    assert measured["stores"] == [f"cosmos {empty_cosmos.endpoint.rstrip('/')} bifrost"]
    rows = {row["operation"]: row for row in measured["operations"]}
    get = rows["config.get"]
    assert (get["backend"], get["calls"], get["failures"], get["requests_by_service"]["cosmos"]) == ("cosmos", 3, 0, 3)
    assert get["request_units"] > 0
    assert measured["failures"] == []


def test_usage_of_nobody_is_wrong_use(sqlite: Settings) -> None:
    """An organization that cannot be is told before anything is asked."""
    finished = run("usage", "--scope", "a b", settings=sqlite, check=2)

    assert finished.stdout == ""
    assert "1 to 36 letters" in " ".join(finished.stderr.split())


def test_a_folder_that_cannot_be_written_is_one_line(sqlite: Settings) -> None:
    """What the operating system refuses is an error like any other."""
    assert "/proc/" in error_of(run("dump", "/proc/dump", settings=sqlite, check=1))


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_a_missing_extra_is_named(module: str) -> None:
    """Without typer or rich the command says what to install."""
    code = f"import sys; sys.modules[{module!r}] = None; from bifrost_store.cli.__main__ import main; main()"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert 1 == finished.returncode
    assert f"error: {module} is not installed; pip install 'bifrost-store[cli]'\n" == finished.stderr


def same_files(one: Path, other: Path) -> None:
    compared = filecmp.dircmp(one, other)
    assert [] == [*compared.left_only, *compared.right_only, *compared.funny_files]
    matching, different, failed = filecmp.cmpfiles(one, other, compared.common_files, shallow=False)
    assert ([], []) == (different, failed), one
    assert sorted(compared.common_files) == sorted(matching)
    for folder in compared.common_dirs:
        same_files(one / folder, other / folder)


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


async def set_configs(store: Store, count: int) -> None:
    await store.provision()
    records = [config(f"k{n:05d}", "x" * 200, scope=GLOBAL) for n in range(count)]
    for first in range(0, count, 32):
        await store.backend.batch([Apply(_versioned(record)) for record in records[first : first + 32]])


def _versioned(record: Any) -> Any:
    from dataclasses import replace

    return replace(record, version=Version(1, "a" * 32))


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


def test_purge_removes_what_has_expired(sqlite: Settings) -> None:
    """Expired executions go for good, others stay; the count is reported."""

    async def fill() -> None:
        settings = StoreSettings.from_environment(sqlite)
        past = datetime.now(UTC) - timedelta(days=30)
        for moment in (past, datetime.now(UTC)):
            async with open_store(settings, clock=SettableClock(moment)) as store:
                await store.executions.create(GLOBAL, workflow_name="w", executed_by="k", executed_by_name="K")

    asyncio.run(fill())

    planned = report("purge", "--dry-run", settings=sqlite)
    assert (1, []) == (planned["executions"], planned["obstacles"])
    assert "1 expired executions would be removed\n" in run("purge", "--dry-run", settings=sqlite).stdout
    assert 1 == report("purge", settings=sqlite)["executions"]
    assert "0 expired executions removed\n" == run("purge", settings=sqlite).stdout


@pytest.mark.parametrize("backend", ["sqlite", "table", "cosmos"])
def test_sample_data_fills_an_empty_store(backend: str, request: pytest.FixtureRequest) -> None:
    """On every backend; a store that holds something is refused, and stays as it is."""
    settings = request.getfixturevalue(backend)

    assert 4 == report("sample-data", "--runs", "4", settings=settings)["executions"]
    refused = report("sample-data", settings=settings, check=2)["error"]
    assert "--add" in refused["message"]
    assert "executions: 1" in run("sample-data", "--add", "--runs", "1", settings=settings).stdout


@pytest.mark.parametrize("backend", ["sqlite", "table"])
def test_the_doctor_examines_a_store(backend: str, request: pytest.FixtureRequest) -> None:
    """It says what is missing and the remedy, exits with 1, and after that with 0; with settings that are wrong with 2."""
    settings = request.getfixturevalue(backend)
    if backend == "table":
        assert "remedy: bifrost-store init, with BIFROST_STORE_BACKEND=table" in run("doctor", settings=settings, check=1).stdout
    run("init", settings=settings)
    examined = report("doctor", settings=settings)
    shown = run("doctor", settings=settings).stdout

    assert {"ok"} == {finding["state"] for finding in examined["findings"]}
    assert {"access", "reach", "settings", "versions"} <= {finding["check"] for finding in examined["findings"]}
    assert "0 warnings, 0 wrong" in shown.splitlines()[-1]
    broken = report("doctor", settings={**settings, "BIFROST_STORE_SHADOW_READS": "2"}, check=2)
    assert ["settings"] == [finding["check"] for finding in broken["findings"]]


def test_the_version_is_told() -> None:
    """That of the package that is installed, and of Python."""
    expected = f"bifrost-store {version('bifrost-store')}, Python {platform.python_version()}\n"

    assert expected == run("--version", settings={}).stdout


def test_a_shell_completes_commands() -> None:
    """What a shell asks for at the tab key is answered with the commands of a group, and the script for it is shown."""
    asked = {"_BIFROST_STORE_COMPLETE": "complete_bash", "COMP_WORDS": "bifrost-store migrate st", "COMP_CWORD": "2"}

    assert ["start", "status"] == run(settings=asked).stdout.split()


def test_repair_mends_what_is_missing_once(table: Settings, sqlite: Settings, tmp_path: Path) -> None:
    """Index rows that are missing are written again and counted; afterwards there is nothing to repair."""
    rows = tmp_path / "rows"
    (rows / "tables").mkdir(parents=True)
    for file in (DATA / "tables").iterdir():
        kept = [line for line in file.read_text("utf-8").splitlines() if '"RowKey":"userexec:' not in line]
        (rows / "tables" / file.name).write_text("\n".join(kept) + "\n", "utf-8")
    run("tables", "load", rows, settings=table)
    run("init", settings=table)

    mended = report("repair", "--old-application-stopped", settings=table)["repaired"]

    assert sum(mended.values()) >= 64
    run("repair", settings=table)
    assert "nothing to repair\n" == run("repair", settings=table).stdout
    assert {} == report("repair", settings=sqlite)["repaired"]
    stopped = report("repair", "--stop-index-rows", settings=table)["repaired"]
    assert stopped["index rows stopped"] == 1 <= stopped["index rows removed"]
    assert "contradict" in run("repair", "--stop-index-rows", "--resume-index-rows", settings=sqlite, check=2).stderr


def test_the_demo_says_identical(azurite: Azurite, sqlite: Settings) -> None:
    """With Azurite the demo makes each call on every backend, shows requests and request units, and says so.

    Its run has an id of its own making, under which Table Storage looks for an old one first.
    """
    text = run("demo", settings=sqlite).stdout
    values = report("demo", settings=sqlite)
    created = next(call for call in values["calls"] if call["call"].startswith("executions.create"))

    assert "identical\n" == text.splitlines(keepends=True)[-1]
    assert "table 3, sqlite 1" in text
    assert f"({created['request_units']['cosmos']:.2f} RU)" in text
    assert ["table", "sqlite", "cosmos"] == values["backends"]
    assert all(call["is_identical"] for call in values["calls"])
    assert {"table": 3, "sqlite": 1, "cosmos": 1} == created["requests"]
    assert {"table": 0.0, "sqlite": 0.0} == {name: created["request_units"][name] for name in ("table", "sqlite")}


def test_the_demo_compares_without_azurite(tmp_path: Path) -> None:
    """Without Azurite it makes the calls on SQLite and Cosmos DB, and says what is left out."""
    settings = {COMMAND_VARIABLE: "", "PATH": str(tmp_path)}
    values = report("demo", settings=settings)

    assert ["sqlite", "cosmos"] == values["backends"]
    assert "Table Storage and its data set are left out" in values["notes"][0]
    assert ["identical"] == run("demo", settings=settings).stdout.splitlines()[-1:]


@pytest.mark.parametrize("package", ["azure.cosmos", "lark"])
def test_the_demo_runs_on_sqlite_alone(tmp_path: Path, package: str) -> None:
    """Without the packages for Cosmos DB either, there is nothing to compare with, and it says what to install."""
    code = f"import sys; sys.modules[{package!r}] = None; from bifrost_store.cli.__main__ import main; main()"
    settings = environment({COMMAND_VARIABLE: "", "PATH": str(tmp_path)})
    command = [sys.executable, "-c", code, "demo", "--json"]
    finished = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    values = json.loads(finished.stdout)

    assert ["sqlite"] == values["backends"]
    assert f"{package} is not installed: Cosmos DB is left out; pip install 'bifrost-store[cosmos,emulator]'" == values["notes"][0]
    assert "SQLite answers alone" in values["notes"][1]
