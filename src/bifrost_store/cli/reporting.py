"""What ``migrate report`` puts together."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

if TYPE_CHECKING:
    from bifrost_store.costing import Projection
    from bifrost_store.migration.status import MigrationStatus


async def write_page(file: Path, executions_per_month: float | None) -> MigrationStatus:
    """Ask where the migration stands, write the page, and return what was found.

    Raises:
        MigrationRefusedError: Nothing was started, or its store does not answer: there is nothing to tell.
    """
    from bifrost_store.backends.registry import place_of
    from bifrost_store.cli.cost import retention_days_of
    from bifrost_store.core.clock import utc_now
    from bifrost_store.core.files import open_private
    from bifrost_store.errors import MigrationRefusedError
    from bifrost_store.opening.migration import open_migration
    from bifrost_store.reporting.migration import MigrationReport, page_of
    from bifrost_store.settings import StoreSettings

    settings = StoreSettings.from_environment()
    async with open_migration(settings) as migration:
        status = await migration.status()
    if status.state is None:
        raise MigrationRefusedError("there is no migration to report on", next_steps=status.next_steps)
    places = {name: place_of(settings, name) for name in status.stores}
    projection = None if executions_per_month is None else await _projection(executions_per_month, retention_days_of(None))
    page = page_of(MigrationReport(status, places, utc_now(), version("bifrost-store"), projection))

    def write() -> None:
        with open_private(file, "wb") as opened:
            opened.write(page)

    await to_thread.run_sync(write)
    return status


async def _projection(executions_per_month: float, days: float) -> Projection:
    from bifrost_store.costing import DEFAULT_MIX, emulated, measure, project

    async with emulated() as place:
        measured = await measure(place)
    return project(measured, DEFAULT_MIX, executions_per_month, retention_days=days)
