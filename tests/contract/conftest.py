"""Runs the contract on every backend, or on those that ``--backend`` names."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

pytest.register_assert_rewrite("bifrost_store.testing")

from bifrost_store.backends.protocol import Backend  # noqa: E402 - after the line above
from bifrost_store.demo.azurite import Azurite  # noqa: E402
from bifrost_store.testing.clock import SettableClock  # noqa: E402
from bifrost_store.testing.fixtures import (  # noqa: E402, F401
    anyio_backend,
    backend,
    clock,
    harness,
    open_reference,
    parametrize,
    repositories,
    store,
)
from bifrost_store.testing.harness import Harness  # noqa: E402
from tests.contract.harness import HARNESSES, DualHarness, ModelHarness, SqliteHarness, TableHarness  # noqa: E402


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


def selected(config: pytest.Config) -> list[type[Harness]]:
    """Return the harnesses that ``--backend`` names; by default those of all backends, the model, and dual writes."""
    wanted = config.getoption("--backend", default=None)
    return [harness for harness in HARNESSES if not wanted or harness.name in wanted]


@pytest.fixture(scope="session")
def sqlite_harness() -> SqliteHarness:
    """SQLite."""
    return SqliteHarness()


@pytest.fixture(scope="session")
def dual_harness() -> DualHarness:
    """Dual writes."""
    return DualHarness()


@pytest.fixture(scope="session")
def model_harness() -> ModelHarness:
    """The reference."""
    return ModelHarness()


@pytest.fixture(scope="session")
def table_harness(azurite: Azurite) -> TableHarness:
    """Table Storage."""
    return TableHarness(azurite)


@pytest.fixture
def harnesses(request: pytest.FixtureRequest) -> list[Harness]:
    """Every selected harness at once, but for the model's own."""
    names = [harness.name for harness in selected(request.config) if harness is not ModelHarness]
    return [request.getfixturevalue(f"{name}_harness") for name in names]


@pytest.fixture
def other_harness(request: pytest.FixtureRequest) -> Harness | None:
    """Table Storage beside SQLite, where both are selected; else None, which stands for SQLite in memory."""
    if request.node.callspec.params["harness"] == "sqlite" and TableHarness in selected(request.config):
        found: Harness = request.getfixturevalue("table_harness")
        return found
    return None


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
def table_only(request: pytest.FixtureRequest) -> None:
    """Leave a test of Table Storage alone out of a run for another backend."""
    if TableHarness not in selected(request.config):
        pytest.skip("Table Storage is not selected")
