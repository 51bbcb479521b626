"""Ctrl-C anywhere ends with one line that says what is saved and how to go on, and 130; with ``--json`` with one object too."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from bifrost_store import GLOBAL, ConfigType, StoreSettings, open_store
from bifrost_store.cli.interrupts import _SAVED
from tests.commands import environment
from tests.project.test_docs import COMMANDS

PROGRAM = """
import os, signal, sys
event, about = sys.argv[1:3]
del sys.argv[1:3]

def interrupt(what, arguments):
    global event
    if what == event and about in str(arguments[0]):
        event = None
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(interrupt)
from bifrost_store.cli.__main__ import main
main()
"""
"""The command line, which gets the signal of Ctrl-C at an audit event of Python: when a module or a file is about to be opened."""

AWAY = "AccountName=acme;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:9/acme;BlobEndpoint=http://127.0.0.1:9/acme"
COSMOS = "AccountEndpoint=http://127.0.0.1:9/;AccountKey=c2VjcmV0;"
POINTS = [
    ("import", "bifrost_store.cli.app", "repair", "nothing was begun"),
    ("import", "rich.console", "dump DIR", "nothing was begun"),
    ("import", "bifrost_store.store", "repair", "what was repaired stays"),
    ("import", "aiosqlite", "purge", "what was removed stays"),
    ("sqlite3.connect", "store.db", "init", "what was made stays"),
    ("sqlite3.connect", "store.db", "usage", "nothing was changed"),
    ("open", "records.jsonl", "dump DIR --restart", "goes on where it stopped"),
    ("open", "records.jsonl", "load DUMP", "goes on where it stopped"),
    ("import", "azure.data.tables", "tables dump DIR", "a part, which nothing goes on from"),
    ("socket.connect", "", "tables load ROWS", "loads everything again"),
    ("import", "bifrost_store.migration.phases", "migrate run --drop-expired", "but for a verification, which starts over"),
    ("socket.connect", "", "migrate start", "goes on where it stopped"),
    ("socket.connect", "", "migrate cutover --yes", "goes on where it stopped"),
]
"""When, in which command, and what is said to be saved."""


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    tables = tmp_path / "rows" / "tables"
    tables.mkdir(parents=True)
    (tables / "Config.jsonl").write_text('{"PartitionKey":"GLOBAL","RowKey":"config:a"}\n')
    return {
        "BIFROST_STORE_SQLITE_PATH": str(tmp_path / "store.db"),
        "BIFROST_STORE_TABLE_CONNECTION_STRING": AWAY,
        "BIFROST_STORE_COSMOS_CONNECTION_STRING": COSMOS,
    }


def interrupted(
    event: str, about: str, *words: str, settings: dict[str, str], check: int = 130
) -> subprocess.CompletedProcess[str]:
    """Run a command that is interrupted at *event*."""
    command = [sys.executable, "-c", PROGRAM, event, about, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(settings), check=False)
    assert check == done.returncode, done.stderr
    return done


def run(*words: str, settings: dict[str, str]) -> None:
    """Run a command to its end."""
    command = [sys.executable, "-m", "bifrost_store.cli", *words]
    subprocess.run(command, env=environment(settings), check=True, capture_output=True)


def fill(settings: dict[str, str], folder: Path) -> None:
    """Store a record, and dump it to *folder*."""

    async def store_one() -> None:
        async with open_store(StoreSettings.from_environment(settings)) as store:
            await store.provision()
            await store.config.set(GLOBAL, "a", "1", config_type=ConfigType.STRING, updated_by="ada@msp.example")

    anyio.run(store_one)
    run("dump", str(folder), settings=settings)


@pytest.mark.parametrize(("event", "about", "command", "saved"), POINTS, ids=[f"{one[2]} at {one[1] or one[0]}" for one in POINTS])
def test_ctrl_c_is_one_line(event: str, about: str, command: str, saved: str, settings: dict[str, str], tmp_path: Path) -> None:
    """It names what is saved, and the command that goes on: the same, but never one that begins anew what is half done."""
    places = {"DIR": str(tmp_path / "new"), "DUMP": str(tmp_path / "dump"), "ROWS": str(tmp_path / "rows")}
    if "DUMP" in command:
        fill(settings, tmp_path / "dump")
    words = [places.get(word, word) for word in command.split()]
    done = interrupted(event, about, *words, "--json", settings=settings)

    (line,) = done.stderr.splitlines()
    values = json.loads(done.stdout)
    assert line.startswith("interrupted: ")
    assert saved in line
    assert line.endswith(f": {values['next']}")
    assert line == f"{values['error']['message']}: {values['next']}"
    assert (False, "Interrupted") == (values["ok"], values["error"]["type"])
    assert values["next"].startswith(f"bifrost-store {words[0]}")
    assert "--restart" not in values["next"]


def test_what_was_interrupted_goes_on(settings: dict[str, str], tmp_path: Path) -> None:
    """A dump that is interrupted while it writes is completed by the command that the line names; a load likewise."""
    fill(settings, tmp_path / "dump")
    first = interrupted("open", "dump.part", "dump", str(tmp_path / "new"), settings=settings)
    assert "" == first.stdout
    (line,) = first.stderr.splitlines()
    run(*shlex.split(line.rpartition("bifrost-store ")[2]), settings=settings)

    dumped = [(tmp_path / name / "records.jsonl").read_bytes() for name in ("dump", "new")]
    assert dumped[0] == dumped[1] != b""


def test_every_command_that_writes_says_what_is_saved() -> None:
    """A command that is added changes nothing, or is named with what an interruption leaves."""
    reading = {"ping", "usage", "cost", "demo", "cosmos-emulator", "migrate status", "logs", "feed status"}
    reading |= {"metrics compare", "metrics status", "migrate report"}

    assert _SAVED.keys() - {""} == COMMANDS.keys() - reading


def test_a_watch_of_a_migration_ends_at_ctrl_c(settings: dict[str, str]) -> None:
    """It looks until then, and leaves nothing but the line that says so."""
    command = [sys.executable, "-m", "bifrost_store.cli", "migrate", "status", "--watch"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment({**settings, "PYTHONUNBUFFERED": "1"})
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate()

    assert "phase none" in first
    assert 130 == process.returncode
    assert ["interrupted: nothing was changed; give the command again: bifrost-store migrate status --watch"] == (
        complained.splitlines()
    )
