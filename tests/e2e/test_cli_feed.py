"""``bifrost-store feed``: a processor as a command, what is told of it, and its dead letters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from bifrost_store import GLOBAL, ConfigType, StoreSettings, open_store
from tests import commands
from tests.commands import Settings, environment

HANDLERS = """
from pathlib import Path

async def note(items):
    for item in items:
        if item.key.id == "bad" and not Path("mended").exists():
            raise ValueError("too bad")
    with open("noted", "a") as out:
        out.write("".join(f"{item.key.id}\\n" for item in items))

async def wrong(items):
    return len(items)

no_function = 1
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    monkeypatch.chdir(tmp_path)
    return {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "store.db"), "BIFROST_STORE_BACKEND": "sqlite"}


def feed(*arguments: str, settings: Settings, check: int = 0) -> dict[str, Any]:
    finished = commands.run("feed", *arguments, "--json", settings=settings)
    assert check == finished.returncode, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
    values: dict[str, Any] = json.loads(finished.stdout)
    assert values["ok"] is (check == 0)
    return values


def write(settings: Settings, *keys: str) -> None:
    async def work() -> None:
        async with open_store(StoreSettings(sqlite_path=settings["BIFROST_STORE_SQLITE_PATH"])) as store:
            for key in keys:
                await store.config.set(GLOBAL, key, "v", config_type=ConfigType.STRING, updated_by="u")

    anyio.run(work)


def run_until(settings: Settings, folder: Path, noted: set[str], *options: str) -> tuple[int, str]:
    """Run the processor until all of *noted* was handled, then interrupt it."""
    command = [sys.executable, "-m", "bifrost_store.cli", "feed", "run", "handlers:note", "--name", "n", "--feed", "entities"]
    variables = {**environment(settings), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [*command, "--start", "beginning", "--poll", "0.05", *options], env=variables, cwd=folder, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not noted <= set((folder / "noted").read_text().split() if (folder / "noted").exists() else ()):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    return process.returncode, complaint


@pytest.mark.long
def test_a_processor_as_a_command(settings: Settings, tmp_path: Path) -> None:
    """It handles until it is interrupted; status says how far; what it cannot take is shown, tried again and forgotten."""
    assert [] == feed("status", settings=settings)["processors"]
    write(settings, "a", "bad", "b")
    code, complaint = run_until(settings, tmp_path, {"a", "b"})
    assert 130 == code
    assert "the same command goes on where it stopped" in complaint
    write(settings, "c")
    assert 130 == run_until(settings, tmp_path, {"c"})[0]

    (processor,) = feed("status", settings=settings)["processors"]
    assert ("n", "entities", 1) == (processor["name"], processor["feed"], processor["dead_letters"])
    (part,) = processor["ranges"]
    assert ("", "FF", 0, None, None) == (part["low"], part["high"], part["lag_items"], part["problem"], part["stuck_since"])
    (letter,) = feed("dead-letters", "n", settings=settings)["dead_letters"]
    assert ("config", "GLOBAL", "bad", "ValueError", "too bad") == tuple(
        letter[name] for name in ("kind", "scope", "id", "error", "message")
    )
    said = commands.run("feed", "dead-letters", "n", settings=settings).stdout
    assert said.startswith("config GLOBAL bad: ValueError: too bad (")

    assert 0 == feed("dead-letters", "n", "--replay", "handlers:note", settings=settings, check=1)["replayed"]
    (tmp_path / "mended").touch()
    assert {"ok": True, "replayed": 1, "dead_letters": []} == feed(
        "dead-letters", "n", "--replay", "handlers:note", settings=settings
    )
    assert "bad" in (tmp_path / "noted").read_text().split()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere:note"], "there is no module 'nowhere'"),
        (["handlers:nothing"], "the module has no 'nothing'"),
        (["handlers"], "expected module:function"),
        (["handlers:note", "--store", "mongo"], "'mongo' is none of cosmos, sqlite, table"),
    ],
)
def test_wrong_use_is_told(settings: Settings, arguments: list[str], words: str) -> None:
    """It exits with 2 and says what is expected."""
    finished = commands.run("feed", "run", *arguments, "--name", "n", "--feed", "entities", settings=settings)
    assert 2 == finished.returncode
    assert words in " ".join(finished.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["handlers:no_function", "--feed", "entities"], "HandlerError", "expected an async function"),
        (["handlers:wrong", "--feed", "entities"], "HandlerError", "must return None"),
        (["handlers:note", "--feed", "users"], "InvalidRequestError", "there are entities, executions, execution_data"),
        (["handlers:note", "--feed", "entities", "--start", "x"], "InvalidContinuationTokenError", "position"),
    ],
)
def test_bad_input_is_an_error(settings: Settings, arguments: list[str], error: str, words: str) -> None:
    """Errors are one object with ``--json``, as everywhere."""
    write(settings, "a")
    options = [] if "--start" in arguments else ["--start", "beginning"]
    values = feed("run", *arguments, *options, "--name", "n", settings=settings, check=1)
    assert error == values["error"]["type"]
    assert words in values["error"]["message"]


def test_a_store_without_a_feed_is_named(settings: Settings) -> None:
    """Table Storage says what to use instead, before anything is connected to."""
    tables = "AccountName=acme;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:9/acme"
    finished = commands.run("feed", "status", settings={**settings, "BIFROST_STORE_BACKEND": "table",
                                                        "BIFROST_STORE_TABLE_CONNECTION_STRING": tables})  # fmt: skip
    assert 2 == finished.returncode
    assert "the backend table has no change feed; follow a store of SQLite or Cosmos DB" in finished.stderr
