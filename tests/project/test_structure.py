"""The rules of the house that a grep can hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from pkgutil import iter_modules

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import BACKENDS
from bifrost_store.testing import contract
from tests.contract import leaving_out
from tests.second_opinion.differences import DIFFERENCES, LEFT_OUT

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
    "azure": ("backends/table/", "backends/cosmos/", "blobs/azure.py", "blobs/errors.py", "blobs/sas.py", "secrets/key_vault.py"),
    "azure.keyvault": ("secrets/key_vault.py",),
    "azure.data": ("backends/table/",),
    "azure.cosmos": ("backends/cosmos/",),
    "aiosqlite": ("backends/sqlite/",),
    "typer": ("cli/",),
    "opentelemetry": (
        "wrappers/telemetry.py",
        "wrappers/observer.py",
        "wrappers/tally.py",
        "recording/telemetry.py",
        "changefeed/telemetry.py",
        "realtime/telemetry.py",
        "signalr/telemetry.py",
    ),
}


NAMING_PLACES = ("backends/", "settings.py", "emulator/", "testing/", "pytest_plugin.py")
"""What may name a backend: its own folder, the registry, the settings; and the emulator and test tools, which are of one."""
ROWS_OF_TABLES = {"documents/legacy_row.py", "repositories/legacy_rows.py", "reporting/elements.py"}
"""Where "table" is a field of old rows, or an element of HTML."""
AMBIENT = {
    "_meters": "costs are counted by hooks of the SDKs, to which nothing can be passed",
    "_lists": "pages of a list are asked for one by one through wrappers and routes, none of which knows that they are one list",
    "_present_call": "a call's spans and costs belong to it, however deep they arise; as OpenTelemetry's own context",
    "_sendings": "hooks of the SDKs ask before each request whether it may leave",
    "_statuses": "hooks of the Cosmos DB SDK note how each sending was answered",
    "present_recording": "logging calls handlers with a log record alone",
    "_what_counts": "hooks of the SDKs count a request as what the caller knows it to be",
}
"""Context variables, each with the reason why it cannot be an argument."""


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


def test_folders_of_tests_are_packages() -> None:
    """In two folders that are none, files of one name are one module to pytest, which then refuses the second."""
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}

    assert [] == [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").is_file()]


def constants(path: Path) -> set[object]:
    """Return every constant of a module that is no docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in texts}


def test_backends_are_named_by_themselves_alone() -> None:
    """No name of a backend stands outside `backends/` and the settings: everybody else takes it from the registry."""
    outside = [path for path in SOURCES if not place(path).startswith(NAMING_PLACES)]
    found = {place(path) for path in outside if BACKENDS.keys() & constants(path)}

    assert found <= ROWS_OF_TABLES


def test_a_migration_spells_no_command() -> None:
    """What it names as the next step is data: one module spells it, for the command line and the console."""
    of_migration = [path for path in SOURCES if place(path).startswith("migration/") and place(path) != "migration/spelling.py"]
    texts = {place(path): [text for text in constants(path) if isinstance(text, str)] for path in of_migration}
    found = {name: [text for text in those if re.search(r"bifrost-store|--[a-z]", text)] for name, those in texts.items()}

    assert {} == {name: those for name, those in found.items() if those}


def test_modules_of_our_own_are_imported_by_statements() -> None:
    """What imports by name hides from readers and checkers: the registry does, and the package itself for its public names."""
    found = {
        place(path) for path in SOURCES if re.search(r"import_module\((f?\"bifrost_store|f\"\{__name__)", path.read_text("utf-8"))
    }

    assert found == {"__init__.py", "backends/registry.py"}


def test_what_is_ambient_has_its_reason() -> None:
    """Context variables are only where nothing can be passed: through hooks of libraries, or from page to page of a list."""
    found = {name for path in SOURCES for name in re.findall(r"^(\w+)[^\n=]*= ContextVar\(", path.read_text("utf-8"), re.MULTILINE)}

    assert found == AMBIENT.keys()


def test_topics_of_the_contract_are_called_as_they_are() -> None:
    """What names one to leave it out, or to expect it to fail, names one that is there: else it would do nothing, unseen."""
    files = {path.stem for path in (ROOT / "tests" / "contract").glob("test_*.py")}
    named = {*leaving_out._WITHOUT_WRITES, leaving_out._PAIRS, *LEFT_OUT, *DIFFERENCES}

    assert named <= files | {topic.name for topic in iter_modules(contract.__path__)}


def test_wrappers_forward_nothing_by_hand() -> None:
    """What a wrapper does not change, `PassThrough` forwards: no method of another only calls the same of the inner backend."""
    by_hand = re.compile(r"def (\w+)\([^)]*\)[^:]*:\n(?:        \"\"\"[^\n]*\n)?        return (?:await )?self\._inner\.\1\(")
    rooms = ("wrappers/", "mirroring/", "routing/")
    found = {
        place(path): [name for name in by_hand.findall(path.read_text("utf-8")) if hasattr(Backend, name)]
        for path in SOURCES
        if place(path).startswith(rooms)
    }

    assert len(found.pop("wrappers/pass_through.py")) >= 7
    assert {} == {name: methods for name, methods in found.items() if methods}
