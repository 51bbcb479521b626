"""What every test may use: asyncio, servers that all tests of a process share, and an end for all that they start."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from functools import partialmethod
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from anyio.pytest_plugin import extract_backend_and_options, get_runner
from azure.core.pipeline.transport import AioHttpTransport
from hypothesis.errors import StopTest

pytest.register_assert_rewrite("bifrost_store.testing")

from bifrost_store.demo.azurite import Azurite, find_command  # noqa: E402 - after the line above
from bifrost_store.testing import fixtures  # noqa: E402
from tests.contract.cosmos_harness import CosmosServer, run_server  # noqa: E402
from tests.emptying import empty  # noqa: E402
from tests.reaper import reaper  # noqa: E402
from tests.services import SharedAzurite  # noqa: E402

if TYPE_CHECKING:
    from playwright.async_api import Browser

anyio_backend = fixtures.anyio_backend

_AZURITE = pytest.StashKey[SharedAzurite]()
_SERVERS = {"shared_azurite", "cosmos_server"}
_COLLECTED_AFTER = (20_000, 50, 50)
_LONG_SECONDS = 1800
"""Out of time, a test takes its whole process along: what takes long takes many times that on a busy machine."""


def pytest_configure(config: pytest.Config) -> None:
    """Let nothing that tests start outlive this process, and let it be interrupted, which a shell's background ignores."""
    config.add_cleanup(reaper())
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, and begin with what takes long: it must not end the run alone, and has more time than the rest."""
    for item in items:
        if _SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)
        if item.get_closest_marker("long") is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(max(_LONG_SECONDS, item.config.getoption("timeout") or 0)))
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what collecting tests has made, which stays, and come less often."""
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


@pytest.fixture(scope="session", autouse=True)
def _no_proxies() -> Iterator[None]:
    """Let the SDKs not ask this process's environment for proxies: aiohttp does that on another thread, before each request."""
    without = partialmethod(AioHttpTransport.__init__, use_env_settings=False)
    with patch.object(AioHttpTransport, "__init__", without):
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Keep hypothesis's word that an example is over from anyio, whose runner ends with any such exception, and all later tests."""
    inner = getattr(getattr(pyfuncitem.obj, "hypothesis", None), "inner_test", None)
    if not iscoroutinefunction(inner):
        return
    backend_name, options = extract_backend_and_options(pyfuncitem.funcargs["anyio_backend"])

    def run(**arguments: Any) -> None:
        stopped: list[StopTest] = []

        async def example(**arguments: Any) -> None:
            try:
                await inner(**arguments)
            except StopTest as stop:
                stopped.append(stop)

        with get_runner(backend_name, options) as runner:
            runner.run_test(example, arguments)
        if stopped:
            raise stopped[0]

    pyfuncitem.obj.hypothesis.inner_test = run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say in one line when a test failed because its server was lost, in place of what its client made of that."""
    report = yield
    azurite = item.config.stash.get(_AZURITE, None)
    if report.failed and azurite is not None and azurite.loss:
        report.longrepr = azurite.loss
    return report


@pytest.fixture(scope="session")
async def shared_azurite(anyio_backend: str, request: pytest.FixtureRequest) -> AsyncIterator[SharedAzurite]:
    """Where Azurite comes from; its absence is a visible skip at home and a failure in CI."""
    if find_command() is None:
        reason = "Azurite is not installed; run the tests through nox, which brings it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    shared = request.config.stash[_AZURITE] = SharedAzurite()
    yield shared
    await shared.aclose()


@pytest.fixture
async def azurite(shared_azurite: SharedAzurite) -> Azurite:
    """Azurite, with whatever earlier tests left in it."""
    return await shared_azurite.running()


@pytest.fixture
def empty_azurite(azurite: Azurite) -> Azurite:
    """Azurite without a table or container."""
    empty(azurite)
    return azurite


@pytest.fixture(scope="session")
def cosmos_server() -> Iterator[CosmosServer]:
    """The project's Cosmos DB emulator; or the server that the environment names."""
    with run_server() as server:
        yield server


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    """Chromium, one for all tests of a process: each has contexts of its own. Its absence is a skip at home, a failure in CI."""
    path = os.environ.get("BIFROST_CHROMIUM") or shutil.which("chromium")
    if path is None:
        reason = "there is no Chromium: apt-get install chromium, or name one by BIFROST_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        await browser.close()
