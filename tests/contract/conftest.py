"""Runs the contract on every backend, or on those that ``--backend`` names."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.demo.azurite import Azurite
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.fixtures import (  # noqa: F401
    anyio_backend,
    backend,
    clock,
    execution_data,
    feed,
    harness,
    open_reference,
    parametrize,
    pytest_pycollect_makeitem,
    repositories,
    store,
)
from bifrost_store.testing.harness import Harness
from tests.contract.cosmos_harness import CosmosHarness, CosmosServer, Scene
from tests.contract.harness import HARNESSES, ModelHarness, TableHarness, TableStore
from tests.contract.leaving_out import is_told_without

OTHERS = {"sqlite": TableHarness, "table": CosmosHarness, "cosmos": TableHarness}
"""What stands beside each backend where both are selected: the ways that data moves."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--backend``."""
    names = [harness.name for harness in HARNESSES]
    parser.addoption("--backend", action="append", choices=names, help="run the contract on this backend only (repeatable)")


def pytest_configure(config: pytest.Config) -> None:
    """Let the SDK send more than a mebibyte at once: aiohttp would rather have it in pieces."""
    config.addinivalue_line("filterwarnings", "ignore:Sending a large body directly:ResourceWarning")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each contract test once per selected harness."""
    parametrize(metafunc, selected(metafunc.config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about backends that are not selected, so that nothing of a backend's own is ever skipped.

    And of dual writes, what `leaving_out` says.
    """
    names = {harness.name for harness in selected(config)}
    foreign = {f"{harness.name}_only" for harness in HARNESSES if harness.name not in names}
    left_out = {item for item in items if foreign.intersection(getattr(item, "fixturenames", ())) or is_told_without(item)}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def selected(config: pytest.Config) -> list[type[Harness]]:
    """Return the harnesses that ``--backend`` names; by default those of all backends, the model, and dual writes."""
    wanted = config.getoption("--backend", default=None)
    return [harness for harness in HARNESSES if not wanted or harness.name in wanted]


def _plain(harness: type[Harness]) -> object:
    """Return the fixture of a harness that needs nothing."""

    @pytest.fixture(scope="session", name=f"{harness.name}_harness")
    def plain() -> Harness:
        return harness()

    return plain


for _harness in HARNESSES:
    if not inspect.signature(_harness).parameters:
        globals()[f"{_harness.name}_harness"] = _plain(_harness)


@pytest.fixture
def table_harness(azurite: Azurite) -> TableHarness:
    """Table Storage."""
    return TableHarness(azurite)


@pytest.fixture
async def tables(table_harness: TableHarness, clock: SettableClock) -> AsyncIterator[TableStore]:
    """Empty tables."""
    async with table_harness.open_empty(clock) as store:
        yield store


@pytest.fixture(scope="session")
async def cosmos_harness(cosmos_server: CosmosServer, anyio_backend: str) -> AsyncIterator[CosmosHarness]:
    """Cosmos DB."""
    yield CosmosHarness(cosmos_server)
    await cosmos_server.tidy()


@pytest.fixture
async def cosmos_scene(cosmos_harness: CosmosHarness, clock: SettableClock) -> AsyncIterator[Scene]:
    """An empty store of Cosmos DB behind a proxy."""
    async with cosmos_harness.open_empty(clock) as opened, opened.proxied() as scene:
        yield scene
        scene.emulator.faults.clear()


@pytest.fixture
def harnesses(request: pytest.FixtureRequest) -> list[Harness]:
    """Every selected harness at once, but for the model's own."""
    names = [harness.name for harness in selected(request.config) if harness is not ModelHarness]
    return [request.getfixturevalue(f"{name}_harness") for name in names]


@pytest.fixture
def other_harness(request: pytest.FixtureRequest) -> Harness | None:
    """Another harness beside the one under test, where both are selected; else None, which stands for SQLite in memory."""
    beside = OTHERS.get(request.node.callspec.params["harness"])
    if beside is None or beside not in selected(request.config):
        return None
    found: Harness = request.getfixturevalue(f"{beside.name}_harness")
    return found


@pytest.fixture
async def other(other_harness: Harness | None, clock: SettableClock) -> AsyncIterator[Backend]:
    """Another backend over another store."""
    if other_harness is None:
        async with open_reference(clock) as reference:
            yield reference
    else:
        async with other_harness.open_empty(clock) as opened:
            yield opened.backend


@pytest.fixture
def table_only() -> None:
    """Marks a test of Table Storage alone: a run for other backends does without."""


@pytest.fixture
def cosmos_only() -> None:
    """The same for Cosmos DB."""
