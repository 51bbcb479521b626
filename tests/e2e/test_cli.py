"""The command line as processes: what it prints, where, and how it exits."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import pytest

from bifrost_store import GLOBAL, StoreSettings, open_store
from bifrost_store.demo.azurite import COMMAND_VARIABLE, Azurite
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.testing.clock import SettableClock
from tests.commands import Settings, environment
from tests.e2e.calling import error_of, in_store, lines_of, report, run, same_files, set_configs

DATA = Path(str(resources.files("bifrost_store.demo") / "data"))
LEGACY = Path(os.environ.get("BIFROST_LEGACY_DATA") or Path(__file__).parents[3] / "shared" / "data" / "legacy")
CLOSED_PORT = "http://127.0.0.1:9/acme"
UNREACHABLE = f"AccountName=acme;AccountKey=c2VjcmV0;TableEndpoint={CLOSED_PORT};BlobEndpoint={CLOSED_PORT}"


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
