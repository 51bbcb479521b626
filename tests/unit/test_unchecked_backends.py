"""What a backend keeps to by itself, without `CheckedBackend` around it, as tests and other packages may open one."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.documents import SPECS
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import changed, config

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
@pytest.mark.parametrize("part", ["body", "extra"])
async def test_sqlite_stores_no_number_that_json_lacks(part: str, value: Any) -> None:
    """It could not be read again: the write fails, and nothing of it is there."""
    good = config("key")
    bad = changed(good, value=[value]) if part == "body" else replace(good, extra={"more": value})
    async with aclosing(SqliteBackend(":memory:", SPECS, clock=SettableClock())) as backend:
        await backend.provision()
        with pytest.raises(ValueError, match="JSON"):
            await backend.create(bad)
        assert await backend.get(good.key) is None
        await backend.create(good)
        assert (await backend.get(good.key)) is not None
