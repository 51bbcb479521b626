"""What every test may use: one Azurite for the whole session, and asyncio."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from bifrost_store.demo.azurite import Azurite, find_command, run_azurite


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def azurite(anyio_backend: str) -> AsyncIterator[Azurite]:
    """Azurite, started once; its absence is a visible skip at home and a failure in CI."""
    if find_command() is None:
        reason = "Azurite is not installed; run the tests through nox, which brings it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    async with run_azurite() as running:
        yield running
