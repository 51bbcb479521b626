"""The rules of the house that a grep can hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
INDEX_ROW = re.compile(r"[\"'f](userexec|workflowexec|formexec|userperm|orgperm|userrole|formrole|workflowform):")
INDEX_ROW_PLACES = ("backends/table/", "demo/generator.py", "testing/strategies.py")
WRITES_A_FILE = re.compile(
    r"""\.write_(?:text|bytes)\(|\.mkdir\(|makedirs\(|\.touch\(|\bos\.open\([^)]*O_CREAT|\bopen\((?:[^()"']*,\s*)?["'][rb+]*[wax]"""
)
FILE_PLACES = ("core/files.py", "backends/sqlite/file.py", "emulator/", "testing/", "demo/azurite.py")
"""What makes files for their owner alone; the emulator, which knows nothing of ours; and what holds no tenant's data."""
SDK_PLACES = {
    "azure": ("backends/table/", "backends/cosmos/", "blobs/azure.py", "blobs/errors.py", "blobs/sas.py"),
    "azure.data": ("backends/table/",),
    "azure.cosmos": ("backends/cosmos/",),
    "aiosqlite": ("backends/sqlite/",),
    "typer": ("cli/",),
    "opentelemetry": ("wrappers/telemetry.py", "wrappers/observer.py", "wrappers/tally.py"),
}


def place(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "bifrost_store").as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_a_file_has_one_reason_to_exist(path: Path) -> None:
    """No source file passes 400 lines: beyond that a second concept has moved in."""
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_index_rows_are_the_table_backends_own_affair() -> None:
    """Keys of today's index rows stand in the table backend, the generator of the demo's data, and among hostile strings, only."""
    found = {place(path) for path in SOURCES if INDEX_ROW.search(path.read_text("utf-8"))}

    assert [] == [name for name in found if not name.startswith(INDEX_ROW_PLACES)]


@pytest.mark.parametrize("sdk", SDK_PLACES)
def test_an_sdk_is_imported_in_its_place_only(sdk: str) -> None:
    """A backend's folder is the only place that knows its SDK."""
    imports = re.compile(rf"^\s*(import|from) {re.escape(sdk)}\b", re.MULTILINE)
    found = {place(path) for path in SOURCES if imports.search(path.read_text("utf-8"))}

    assert [] == [name for name in found if not name.startswith(SDK_PLACES[sdk])]


def test_files_are_made_for_their_owner_alone() -> None:
    """Nothing writes a file or makes a folder but by `core/files.py`: by any other way the umask decides who reads it."""
    assert WRITES_A_FILE.search('path.open("wb")')
    assert WRITES_A_FILE.search("with open(path, 'a') as file")
    assert not WRITES_A_FILE.search('path.open("rb")')
    found = {place(path) for path in SOURCES if WRITES_A_FILE.search(path.read_text("utf-8"))}

    assert [] == [name for name in found if not name.startswith(FILE_PLACES)]
