"""What an operator shows of a migration: the page about it, and what the doctor says of both stores."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator
from tests import commands
from tests.e2e.migrating import migrate, refusal, settings_of


def test_a_migration_is_told_in_a_page(empty_azurite: Azurite, empty_cosmos: CosmosEmulator, tmp_path: Path) -> None:
    """Refused before there is one; then one private file with what was moved and verified, its phases and its costs."""
    settings, file = settings_of(empty_azurite, empty_cosmos), tmp_path / "report.html"
    assert "migrate start" in refusal("report", "--html", file, settings=settings)
    assert not file.exists()
    commands.run("sample-data", "--runs", "3", settings=settings)
    migrate("run", "--reports", tmp_path, settings=settings)

    written = migrate("report", "--html", file, "--executions-per-month", "50000", settings=settings)
    page = file.read_text("utf-8")

    assert ("verified", str(file)) == (written["phase"], written["html"])
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    for told in ("No difference is open", "100 % agree", ">execution<", "Being carried over", "A month with 50,000 runs"):
        assert told in page
    examined = json.loads(commands.run("doctor", "--json", settings=settings).stdout)
    assert ["phase verified; next: cutover"] == [one["message"] for one in examined["findings"] if one["check"] == "migration"]
