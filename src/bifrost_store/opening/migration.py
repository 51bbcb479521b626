"""Opens the two stores of a migration from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import SOURCE, TARGET, BackendFactory
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.documents import SPECS
from bifrost_store.errors import ConfigurationError
from bifrost_store.migration.outcome import Tell, tell_nobody
from bifrost_store.migration.phases import Migration
from bifrost_store.opening.blocks import async_block
from bifrost_store.opening.metrics import recount_after
from bifrost_store.routing.timing import Timing
from bifrost_store.settings import StoreSettings, variable_name
from bifrost_store.wrappers.checked import CheckedBackend


@async_block
async def open_migration(
    settings: StoreSettings | None = None,
    *,
    folder: Path = Path("bifrost-migration"),
    request_units: float | None = None,
    clock: Clock = utc_now,
    tell: Tell = tell_nobody,
) -> AsyncIterator[Migration]:
    """Open both stores, and close them at the end of the block. Holds no lease: it serves nobody.

    Args:
        settings: The settings, by default those of the environment; they must name both accounts.
        folder: The folder for reports and rejected rows; made when there is something to write.
        request_units: What the backfill may use of the target a second; None: what it gives.
        clock: Tells the time.
        tell: Hears what happens while a phase runs.

    Raises:
        ConfigurationError: One of the accounts is not named, or a setting is malformed.
    """
    settings = settings or StoreSettings.from_environment()
    for name in (SOURCE, TARGET):
        if not settings.is_configured(name):
            variables = f"{variable_name(f'{name}_connection_string')} or {variable_name(f'{name}_endpoint')}"
            raise ConfigurationError(f"a migration needs both accounts, and {name}'s is missing; set {variables}")
    days = settings.execution_retention_days
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, clock, stack)
        stores: dict[str, Backend] = {}
        for name in (SOURCE, TARGET):
            stores[name] = CheckedBackend(factory.backend(name), SPECS, recorded=factory.recorded)
            stack.push_async_callback(stores[name].aclose)
        yield Migration(
            stores,
            source=SOURCE,
            target=TARGET,
            specs=SPECS,
            folder=folder,
            request_units=request_units,
            retention=None if days is None else timedelta(days=days),
            recorded=factory.recorded,
            timing=Timing().scaled(settings.lease_seconds / Timing().lease),
            clock=clock,
            tell=tell,
            after_handover=recount_after(settings, stores, clock),
        )
