"""What the library offers to pytest, tried by pytest itself, as an application would."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bifrost_store.demo.azurite import find_command
from tests.project.test_examples import DOCS, FILE

COMMAND = [
    sys.executable,
    "-m",
    "pytest",
    "-p",
    "anyio.pytest_plugin",
    "-p",
    "bifrost_store.pytest_plugin",
    "-p",
    "no:cacheprovider",
]
ENVIRONMENT = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run(folder: Path, *options: str) -> str:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, cwd=folder, env=ENVIRONMENT, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """The files of the guide."""
    for name, content in FILE.findall((DOCS / "howto" / "test-your-application.md").read_text("utf-8")):
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


def test_an_application_is_tested_in_memory(application: Path) -> None:
    """Both kinds of tests of the guide pass, each with a store of its own."""
    said = run(application, "-v")

    assert "2 passed" in said
    assert 2 == said.count("[sqlite] PASSED")


@pytest.mark.servers
@pytest.mark.long
def test_and_on_every_backend(application: Path) -> None:
    """Each test runs once on each backend that is asked for."""
    said = run(application, "-v", "--bifrost-backend=table", "--bifrost-backend=cosmos")

    assert "4 passed" in said, said
    assert (2, 2) == (said.count("[table] PASSED"), said.count("[cosmos] PASSED"))


@pytest.mark.servers
@pytest.mark.long
def test_an_azurite_serves_as_many_tests_as_it_has_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test finds its store empty all the same."""
    starts = tmp_path / "starts"
    counted = ["sh", "-c", f'echo >> "{starts}"; exec "$@"', "sh", *(find_command() or ["azurite"])]
    monkeypatch.setitem(ENVIRONMENT, "BIFROST_AZURITE", shlex.join(counted))
    (tmp_path / "conftest.py").write_text("import bifrost_store.pytest_plugin\nbifrost_store.pytest_plugin._ACCOUNTS = 2\n")
    (tmp_path / "test_three.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('number', range(3))\n"
        "def test_it(blocking_store, number):\n"
        "    assert not list(blocking_store.organizations.list())\n"
        "    blocking_store.organizations.create('Contoso', created_by='kim@acme.example')\n"
    )

    said = run(tmp_path, "--bifrost-backend=table")

    assert "3 passed" in said, said
    assert 2 == len(starts.read_text().splitlines())


def test_the_contract_runs_beside_it() -> None:
    """Where the plugin is loaded, as it is wherever the library is installed, the suite of a backend is collected as before."""
    said = run(
        DOCS.parent, "--collect-only", "-q", "tests/contract/test_contract.py::scan", "--backend=sqlite", "-p", "pytest_timeout"
    )

    assert "error" not in said.lower(), said
    assert "test_contract.py::scan::" in said


def test_nothing_is_imported_before_it_is_asked_for(tmp_path: Path) -> None:
    """A run whose tests take no store does not wait for the library, and a fixture of one's own goes first."""
    (tmp_path / "test_other.py").write_text(
        "import sys, pytest\n"
        "@pytest.fixture\n"
        "def store():\n"
        "    return 'mine'\n"
        "def test_it(store):\n"
        "    assert store == 'mine'\n"
        "    assert [] == sorted({'pydantic', 'aiosqlite', 'azure', 'bifrost_store.store'} & set(sys.modules))\n"
    )

    assert "1 passed" in run(tmp_path)
