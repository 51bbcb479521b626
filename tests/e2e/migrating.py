"""What the tests of a migration share: two empty accounts, and the command line as an operator uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator
from tests import commands
from tests.commands import Settings, environment

LEASE_SECONDS = "2"
"""Leases of the tests' processes: hand-overs wait for their renewal."""
COUNTS = ("same", "differs", "only_primary", "only_secondary", "could_not_check", "expired", "no_longer_seen")


def settings_of(azurite: Azurite, cosmos: CosmosEmulator, **changes: str) -> Settings:
    """Return the settings of every process of a migration."""
    return {
        "BIFROST_STORE_BACKEND": "table",
        "BIFROST_STORE_TABLE_CONNECTION_STRING": azurite.connection_string,
        "BIFROST_STORE_COSMOS_CONNECTION_STRING": cosmos.connection_string,
        "BIFROST_STORE_LEASE_SECONDS": LEASE_SECONDS,
        **changes,
    }


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "bifrost_store.cli", "migrate", *map(str, arguments)]


def migrate(*arguments: str | Path, settings: Settings, check: int = 0, kilobytes: int | None = None) -> dict[str, Any]:
    """Give one command with ``--json``, demand its exit code, and return its report; no file of it may grow beyond *kilobytes*."""
    if kilobytes is None:
        finished = commands.run("migrate", *arguments, "--json", settings=settings)
    else:
        limited = ["bash", "-c", f'ulimit -f {kilobytes}; exec "$@"', "-", *command(*arguments), "--json"]
        finished = subprocess.run(limited, env=environment(settings), capture_output=True, text=True, check=False)
    assert check == finished.returncode, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr, finished.stderr
    values: dict[str, Any] = json.loads(finished.stdout)
    assert {"phase", "ok", "next"} <= values.keys()
    assert values["ok"] is (check == 0)
    assert values["next"]
    return values


def refusal(*arguments: str | Path, settings: Settings, check: int = 1, kilobytes: int | None = None) -> str:
    """Give one command that is refused; return what it says and what comes next, in one text."""
    values = migrate(*arguments, settings=settings, check=check, kilobytes=kilobytes)
    message = values["error"]["message"] if "error" in values else " ".join(values.get("obstacles", values))
    return f"{message} NEXT {values['next']}"
