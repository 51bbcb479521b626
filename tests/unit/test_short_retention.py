"""Runs that are kept for less than metrics need."""

from __future__ import annotations

from pathlib import Path

import pytest

from bifrost_store import GLOBAL, StoreSettings, open_store
from bifrost_store.errors import ConfigurationError

pytestmark = pytest.mark.anyio


async def test_a_store_counts_live_where_runs_are_kept_too_short_for_metrics(tmp_path: Path) -> None:
    """It opens as ever; only what would keep figures is refused, by the setting's name."""
    settings = StoreSettings(sqlite_path=str(tmp_path / "store.db"), execution_retention_days=1)
    async with open_store(settings) as store:
        assert "live" == (await store.metrics.dashboard(GLOBAL, "24h")).source
        with pytest.raises(ConfigurationError, match="BIFROST_STORE_EXECUTION_RETENTION_DAYS"):
            await store.metrics.rollup()
