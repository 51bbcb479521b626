"""What long commands show while they run: totals, rate and time left on a terminal, nothing of it elsewhere."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from bifrost_store import GLOBAL, ConfigType, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator
from tests.commands import Settings, environment, run
from tests.e2e.migrating import settings_of

SHOW_CURSOR = "\x1b[?25h"
COUNT = 12


def on_terminal(*words: str, settings: Settings, check: int = 0) -> str:
    """Run a command whose stderr is a terminal of 160 columns, and return what that was sent."""
    ours, its = pty.openpty()
    variables = {**environment(settings), "COLUMNS": "160", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bifrost_store.cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=its,
        env=variables,
    )
    os.close(its)
    sent = b""
    while part := _read(ours):
        sent += part
    os.close(ours)
    process.communicate()
    text = sent.decode()
    assert check == process.returncode, text
    return text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody holds the other end any more
        return b""


def shows_progress(text: str, what: str) -> bool:
    """Return whether a bar of *what* was drawn with a count and a time, and taken away at the end."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    drawn = re.search(rf"{re.escape(what)} .*\d+/(\d+|\?).* left ", plain)
    return drawn is not None and text.rindex(SHOW_CURSOR) > text.rindex("left")


def fill(settings: Settings) -> None:
    """Store some records."""

    async def store_some() -> None:
        async with open_store(StoreSettings.from_environment(settings)) as store:
            await store.provision()
            for number in range(COUNT):
                await store.config.set(GLOBAL, f"k{number}", "1", config_type=ConfigType.STRING, updated_by="ada@msp.example")

    anyio.run(store_some)


@pytest.fixture
def sqlite(tmp_path: Path) -> Settings:
    settings = {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "store.db")}
    fill(settings)
    return settings


def test_dump_load_and_repair_show_how_far_they_are(sqlite: Settings, tmp_path: Path) -> None:
    """With totals: of a load from the dump, of the others counted beside."""
    dumped = on_terminal("dump", str(tmp_path / "dump"), settings=sqlite)
    other = {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "other.db")}
    loaded = on_terminal("load", str(tmp_path / "dump"), settings=other)
    repaired = on_terminal("repair", settings=sqlite)

    assert [True] * 3 == [shows_progress(text, "records") for text in (dumped, loaded, repaired)]
    assert f"{COUNT}/{COUNT}" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", loaded)


def test_a_bar_ends_where_a_command_fails(sqlite: Settings, tmp_path: Path) -> None:
    """The error is the last thing on the terminal, whose cursor is there again."""
    run("dump", tmp_path / "dump", settings=sqlite)
    lines = (tmp_path / "dump" / "records.jsonl").read_bytes()
    (tmp_path / "dump" / "records.jsonl").write_bytes(b"x" * (lines.index(b"\n")) + lines[lines.index(b"\n") :])
    text = on_terminal("load", str(tmp_path / "dump"), settings={"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "new.db")}, check=1)

    assert shows_progress(text, "records")


def test_nothing_of_it_is_shown_elsewhere(sqlite: Settings, tmp_path: Path) -> None:
    """Not a byte, also where colours are forced."""
    forced = sqlite | {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}
    done = [run("dump", tmp_path / "dump", settings=forced), run("repair", settings=forced)]

    assert ["", ""] == [one.stderr for one in done]


def test_a_migration_shows_how_far_it_is(empty_azurite: Azurite, empty_cosmos: CosmosEmulator, tmp_path: Path) -> None:
    """Backfill and verification, the latter against the number that was carried; what happens is a sentence; lines have labels."""
    settings = settings_of(empty_azurite, empty_cosmos)
    fill(settings)
    reports = ("--reports", str(tmp_path))
    run("migrate", "start", settings=settings)
    backfilled = on_terminal("migrate", "backfill", *reports, settings=settings)
    verified = on_terminal("migrate", "verify", *reports, settings=settings)
    plain = run("migrate", "verify", *reports, settings=settings)
    status = json.loads(run("migrate", "status", "--json", settings=settings).stdout)

    assert shows_progress(backfilled, "backfill")
    assert shows_progress(verified, "verify table first")
    assert f"{COUNT}/{COUNT}" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", verified)
    assert f"{COUNT} records compared: {COUNT} the same in table and cosmos, 0 differ, 0 only in table" in plain.stdout
    assert "" == plain.stderr
    assert "verified" == status["phase"]
