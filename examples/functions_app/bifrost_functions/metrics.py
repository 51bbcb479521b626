"""What keeps the figures of dashboards right: a timer, and a trigger on Cosmos DB. Registered where they are read."""

from __future__ import annotations

import logging
from typing import Any

import azure.functions as func

from bifrost_functions import opened
from bifrost_functions.triggers import CONNECTION
from bifrost_store import StoreSettings
from bifrost_store.opening.metrics import Pace, handle_documents

PROCESSOR = "functions-metrics"
"""Names the dead letters: `bifrost-store feed dead-letters functions-metrics`."""
POLL_MILLISECONDS = 5_000
PACE = Pace()
"""Of this worker's recounts: 5 seconds apart for a scope, and so that they take 5 request units a second on average."""
_logger = logging.getLogger("bifrost_functions.metrics")


def metrics_functions(settings: StoreSettings) -> func.Blueprint:
    """Return the timer, and where runs may be in Cosmos DB the trigger on its container of runs."""
    blueprint = func.Blueprint()
    blueprint.timer_trigger(schedule="0 */15 * * * *", arg_name="timer")(roll_up_metrics)
    if settings.is_configured("cosmos"):
        triggered: Any = blueprint.cosmos_db_trigger(
            arg_name="documents",
            connection=CONNECTION,
            database_name=settings.cosmos_database,
            container_name="executions",
            lease_container_name="leases",
            lease_container_prefix="metrics-",
            create_lease_container_if_not_exists=False,
            feed_poll_delay=POLL_MILLISECONDS,
            max_items_per_invocation=500,
        )(count_dirty_hours)
        blueprint.retry(
            strategy="exponential_backoff", max_retry_count="-1", minimum_interval="00:00:01", maximum_interval="00:01:00"
        )(triggered)
    return blueprint


async def roll_up_metrics(timer: func.TimerRequest) -> None:
    """Every quarter of an hour: count the last hours, what was missed, and what the trigger left to be added up."""
    done = await (await opened.store()).metrics.rollup()
    _logger.info("metrics.rolled_up", extra={"hours": done.hours, "days": done.days, "incomplete": list(done.incomplete)})


async def count_dirty_hours(documents: func.DocumentList) -> None:
    """Count the hours again in which runs have ended, changed or gone; the host goes on behind them once this returns.

    It waits where a scope was counted just now. What comes meanwhile is handed over together, and counted once.
    """
    await handle_documents(await opened.store(), PROCESSOR, [document.to_dict() for document in documents], pace=PACE)
