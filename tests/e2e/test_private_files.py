"""What commands leave on the disk is its owner's alone, whatever the umask and whoever made a file of that name before."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.migration.reports import ReportFile
from tests import commands
from tests.commands import Settings
from tests.e2e.migrating import settings_of
from tests.e2e.test_cli import DATA

LOOSE = 0o666
KEPT = {"shared"}
"""Folders that a test made before a command did; their files are checked all the same."""


def run(*arguments: str | Path, umask: int, folder: Path, settings: Settings) -> None:
    """Run one command under *umask*."""
    said, complained = folder / "out", folder / "err"
    given = (umask, [*map(str, arguments)], commands.environment(settings), said, complained, str(folder))
    process = commands.processes().Process(target=_under_umask, args=given, daemon=True)
    process.start()
    process.join(commands.LONGEST_SECONDS)
    assert process.exitcode == 0, said.read_text() + complained.read_text()
    said.unlink()
    complained.unlink()


def _under_umask(umask: int, *given: object) -> None:
    os.umask(umask)
    commands._be_command(*given)  # type: ignore[arg-type]


def readable_by_others(folder: Path) -> list[str]:
    """Return the files and folders below *folder* that anybody but their owner may use."""
    found = [path for path in folder.rglob("*") if path.lstat().st_mode & 0o077 and path.name not in KEPT]
    return [f"{path.relative_to(folder)} {path.lstat().st_mode & 0o777:o}" for path in found]


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_store_and_its_dump(tmp_path: Path, sqlite: Settings, umask: int) -> None:
    """The database, its blobs, a dump, and the state of its load, in folders that are made for them."""
    do: Callable[..., None] = lambda *arguments: run(*arguments, umask=umask, folder=tmp_path, settings=sqlite)  # noqa: E731
    do("init")
    (tmp_path / "store.db.blobs" / "uploads").mkdir(mode=0o700, parents=True, exist_ok=True)
    (tmp_path / "store.db.blobs" / "uploads" / "a").write_bytes(b"x")
    (tmp_path / "store.db.blobs" / "uploads" / "a").chmod(0o600)
    do("dump", tmp_path / "new" / "dump")
    sqlite["BIFROST_STORE_SQLITE_PATH"] = str(tmp_path / "other.db")
    do("load", tmp_path / "new" / "dump")
    do("ping")

    assert readable_by_others(tmp_path) == []
    assert {"records.jsonl", "blobs.jsonl", "dump.json", "load.json", "a"} <= {path.name for path in tmp_path.rglob("*")}


def test_files_that_were_there(tmp_path: Path, sqlite: Settings) -> None:
    """A file of another's making is replaced or taken away from others, not written into as it is."""
    dump = tmp_path / "shared"
    dump.mkdir(mode=0o777)
    dump.chmod(0o777)
    before = {}
    for path in (tmp_path / "store.db", tmp_path / "store.db-wal"):
        path.touch()
        path.chmod(LOOSE)
    run("init", umask=0, folder=tmp_path, settings=sqlite)
    run("dump", dump, umask=0, folder=tmp_path, settings=sqlite)
    for path in dump.iterdir():
        path.chmod(LOOSE)
        before[path] = path.open("rb")
    run("dump", dump, "--restart", umask=0, folder=tmp_path, settings=sqlite)

    assert readable_by_others(tmp_path) == []
    for path, file in before.items():
        with file:
            assert os.fstat(file.fileno()).st_ino != path.stat().st_ino, "whoever had it open reads what is written now"


def test_raw_rows(tmp_path: Path, empty_azurite: Azurite) -> None:
    """The rows and blobs of an account."""
    settings = {"BIFROST_STORE_BACKEND": "table", "BIFROST_STORE_TABLE_CONNECTION_STRING": empty_azurite.connection_string}
    run("tables", "load", DATA, umask=0, folder=tmp_path, settings=settings)
    run("tables", "dump", tmp_path / "rows", umask=0, folder=tmp_path, settings=settings)

    assert readable_by_others(tmp_path) == []
    assert list((tmp_path / "rows").rglob("*.jsonl"))


def test_a_migration(tmp_path: Path, empty_azurite: Azurite, empty_cosmos: CosmosEmulator) -> None:
    """What a migration reports."""
    settings = settings_of(empty_azurite, empty_cosmos)
    run("init", umask=0, folder=tmp_path, settings=settings)
    run("migrate", "run", "--reports", tmp_path / "reports", umask=0, folder=tmp_path, settings=settings)
    old = os.umask(0)
    try:
        ReportFile(tmp_path / "more" / "reports", "rejected.jsonl").write({"a": 1})
    finally:
        os.umask(old)

    assert readable_by_others(tmp_path) == []
    assert (tmp_path / "more" / "reports" / "rejected.jsonl").is_file()


@pytest.mark.parametrize("is_there", [True, False])
def test_the_emulators_data(tmp_path: Path, is_there: bool) -> None:
    """A local Cosmos DB account kept in a file."""
    if is_there:
        (tmp_path / "data.db").touch()
        (tmp_path / "data.db").chmod(LOOSE)
    old = os.umask(0)
    try:
        with CosmosEmulator(data=tmp_path / "data.db"):
            assert readable_by_others(tmp_path) == []
    finally:
        os.umask(old)
