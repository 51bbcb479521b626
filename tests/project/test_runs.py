"""How the tests themselves run: what is stopped, lost or interrupted costs one test, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import asyncio, os, signal, subprocess, sys
import pytest

pytestmark = pytest.mark.anyio
LEFT = [sys.executable, "-c", "import time; time.sleep(3600)", "{mark}"]

@pytest.mark.timeout(2)
async def test_that_hangs(anyio_backend):
    subprocess.Popen(LEFT, start_new_session=True)
    await asyncio.sleep(3600)

async def test_after_it(azurite):
    pass

def test_that_loses_its_server(azurite):
    os.kill(azurite.process.pid, signal.SIGKILL)
    azurite.process.wait()
    raise RuntimeError("what the client makes of it")

async def test_that_gets_another(empty_azurite):
    pass

{more}
"""
HANGING = """
def test_that_waits(tmp_path):
    subprocess.Popen(LEFT, start_new_session=True)
    open("started", "w").close()
    subprocess.run(LEFT)
"""


@pytest.fixture
def mark() -> str:
    return uuid4().hex


def pytest_in(folder: Path, tests: str, *options: str) -> subprocess.Popen[str]:
    """Start pytest on *tests* as this project runs it."""
    (folder / "test_it.py").write_text(tests)
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "timeout_method=thread",
        *options,
        "test_it.py",
    ]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def carrying(mark: str) -> Iterator[str]:
    """Yield the processes that have *mark* among their arguments."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                yield folder.name
        except OSError:
            continue


def wait_until_none_carries(mark: str) -> None:
    """Wait for the reaper, which works once the processes are gone; a test that waits for ever is stopped."""
    while list(carrying(mark)):
        time.sleep(0.01)


@pytest.mark.usefixtures("azurite")
def test_a_stopped_test_and_a_lost_server_cost_one_test_each(tmp_path: Path, mark: str) -> None:
    """The others pass, the loss is told in one line, and what the stopped test had started is gone."""
    with pytest_in(tmp_path, TESTS.format(mark=mark, more=""), "--numprocesses=1") as running:
        said, _ = running.communicate()

    assert "2 failed, 2 passed" in said
    assert "crashed while running 'test_it.py::test_that_hangs'" in said
    assert "Azurite ended during this test, with exit code -9; the next test gets another" in said
    assert "what the client makes of it" not in said
    wait_until_none_carries(mark)


STOPPED = """
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="session")
async def held(anyio_backend):
    yield

@given(data=st.data())
async def test_some_examples_are_over_early(held, data):
    if data.draw(st.booleans()):
        data.draw(st.booleans().filter(lambda _: False))

async def test_after_it(held):
    pass
"""


def test_an_example_that_is_over_early_costs_nothing(tmp_path: Path) -> None:
    """Hypothesis ends one by an exception of its own, also within a coroutine; the tests after it go on."""
    with pytest_in(tmp_path, STOPPED) as running:
        said, _ = running.communicate()

    assert "2 passed" in said, said


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_process(tmp_path: Path, mark: str, way: signal.Signals) -> None:
    """Whichever way it is ended, what its tests had started ends too, in whatever session that is."""
    with pytest_in(tmp_path, TESTS.format(mark=mark, more=HANGING), "-k", "waits") as running:
        while not (tmp_path / "started").exists():
            assert running.poll() is None
            time.sleep(0.01)
        assert list(carrying(mark))
        running.send_signal(way)
        running.communicate()

    wait_until_none_carries(mark)
