"""Fixtures of the unit tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """aiosqlite and the Azure SDKs run on asyncio."""
    return "asyncio"
