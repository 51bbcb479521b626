"""Fixtures of the contract suite, and the hypothesis profiles ``ci`` (default) and ``thorough``.

A ``conftest.py`` imports all of them, and with them the hook that collects the contract, and takes over what `suite_of` makes::

    pytest.register_assert_rewrite("bifrost_store.testing")
    from bifrost_store.testing.fixtures import *

    globals().update(suite_of(MyHarness))

A suite that chooses among harnesses, or makes them from fixtures, calls `parametrize` in its own ``pytest_generate_tests``, and
gives a fixture ``<name>_harness`` for each, and ``harnesses``.

The profile is chosen by the environment variable ``BIFROST_TEST_PROFILE``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast

import pytest
from hypothesis import HealthCheck, settings

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.backends.feed import Feed
from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.documents import SPECS
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.collecting import pytest_pycollect_makeitem
from bifrost_store.testing.harness import PASSING_FAULTS, Fault, Harness, StoreUnderTest
from bifrost_store.testing.repositories import Repositories, repositories_over
from bifrost_store.wrappers.checked import CheckedBackend

__all__ = [
    "anyio_backend",
    "backend",
    "clock",
    "execution_data",
    "feed",
    "harness",
    "other",
    "parametrize",
    "pytest_pycollect_makeitem",
    "repositories",
    "store",
    "suite_of",
]

_POWERS: Final = frozenset({"execution_data", "feed"})
_SUPPRESSED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)
"""The store of a test outlives an example: tests take ids of their own, or leave it as they found it."""

settings.register_profile("ci", max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=_SUPPRESSED)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=400, stateful_step_count=60)
settings.load_profile(os.environ.get("BIFROST_TEST_PROFILE", "ci"))


def parametrize(metafunc: pytest.Metafunc, harness_types: Sequence[type[Harness]]) -> None:
    """Run each test that takes a store once per harness; with a ``fault``, once per fault that the harness can show.

    ``refusal`` is each that a write can meet after one whose answer is lost, where that can be had.
    """
    harness_types = [harness for harness in harness_types if _POWERS.intersection(metafunc.fixturenames) <= harness.powers]
    lost = frozenset({Fault.ANSWER_LOST, Fault.ANSWER_LATE})
    choices = {"fault": frozenset(Fault) - PASSING_FAULTS, "passing_fault": PASSING_FAULTS, "refusal": frozenset(Fault) - lost}
    for argument, wanted in choices.items():
        if argument in metafunc.fixturenames:
            if argument == "refusal":
                harness_types = [harness for harness in harness_types if lost <= harness.faults]
            pairs = [(harness.name, fault) for harness in harness_types for fault in sorted(harness.faults & wanted)]
            metafunc.parametrize(("harness", argument), pairs, indirect=["harness"], ids=["-".join(pair) for pair in pairs])
            return
    if "harness" in metafunc.fixturenames:
        names = [harness.name for harness in harness_types]
        metafunc.parametrize("harness", names, indirect=True, ids=names)


def suite_of(*harness_types: Callable[[], Harness]) -> dict[str, object]:
    """Return what a ``conftest.py`` must hold beside the fixtures: the harnesses as fixtures, and each test once for each.

    Args:
        harness_types: Classes that are made without arguments.
    """
    types = [cast("type[Harness]", one) for one in harness_types]

    def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
        parametrize(metafunc, types)

    def made(harness_type: type[Harness]) -> object:
        @pytest.fixture(scope="session", name=f"{harness_type.name}_harness")
        def harness() -> Harness:
            return harness_type()

        return harness

    @pytest.fixture
    def harnesses(request: pytest.FixtureRequest) -> list[Harness]:
        return [request.getfixturevalue(f"{one.name}_harness") for one in types]

    found = {f"{one.name}_harness": made(one) for one in types}
    return {**found, "harnesses": harnesses, "pytest_generate_tests": pytest_generate_tests}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The Azure SDKs and aiosqlite run on asyncio."""
    return "asyncio"


@pytest.fixture
def clock() -> SettableClock:
    """What the stores of a test take for the present moment."""
    return SettableClock()


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> Harness:
    """The harness of the present run."""
    found: Harness = request.getfixturevalue(f"{request.param}_harness")
    return found


@pytest.fixture
async def store(harness: Harness, clock: SettableClock) -> AsyncIterator[StoreUnderTest]:
    """An empty store of the backend under test."""
    async with harness.open_empty(clock) as opened:
        yield opened


@pytest.fixture
def backend(store: StoreUnderTest) -> Backend:
    """The backend under test, over an empty store."""
    return store.backend


@pytest.fixture
def execution_data(backend: Backend) -> ExecutionData:
    """The execution data of the backend under test."""
    assert backend.execution_data is not None
    return backend.execution_data


@pytest.fixture
def feed(backend: Backend) -> Feed:
    """The feeds of the backend under test."""
    assert backend.feed is not None
    return backend.feed


@pytest.fixture
def repositories(store: StoreUnderTest, clock: SettableClock) -> Repositories:
    """The repositories over the store."""
    return repositories_over(store.backend, store.blobs, clock)


@pytest.fixture
async def other(clock: SettableClock) -> AsyncIterator[Backend]:
    """Another backend, over another empty store: what the backend under test must be interchangeable with."""
    async with open_reference(clock) as reference:
        yield reference


@asynccontextmanager
async def open_reference(clock: SettableClock) -> AsyncIterator[Backend]:
    """Open an empty store of SQLite in memory."""
    backend = CheckedBackend(SqliteBackend(":memory:", SPECS, clock=clock), SPECS)
    try:
        yield backend
    finally:
        await backend.aclose()
