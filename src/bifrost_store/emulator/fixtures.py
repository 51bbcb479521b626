"""Fixtures for pytest: name this module in ``pytest_plugins`` and ask for ``cosmos_emulator``.

Each test gets a server of its own on a port of its own; it starts in milliseconds. The SDK keeps routing maps per endpoint for
the whole process, so a port that is used again would meet those of an earlier server. A test says how the server behaves by a
mark: ``@pytest.mark.cosmos_emulator(partitions=2)`` takes the names of `Options`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bifrost_store.emulator.engine import Options
from bifrost_store.emulator.server import CosmosEmulator

MARK = "cosmos_emulator"


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", f"{MARK}(**options): how the Cosmos DB emulator of this test behaves")


@pytest.fixture
def cosmos_emulator(request: pytest.FixtureRequest) -> Iterator[CosmosEmulator]:
    """Give a running emulator that is empty, and stop it after the test."""
    mark = request.node.get_closest_marker(MARK)
    with CosmosEmulator(options=Options(**(mark.kwargs if mark else {}))) as emulator:
        yield emulator
