"""What changes in Cosmos DB, told to those who watch: triggers on its change feed. Registered where real time is on.

The host goes on behind what a function was given when that returns, and also when it fails for good. So the policy is to try for
ever, what cannot be read is kept as a dead letter first, and publishing never fails: who watches reads what was not told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func

from bifrost_functions import opened
from bifrost_store import StoreSettings
from bifrost_store.changefeed import FeedName
from bifrost_store.realtime import RUN_FEEDS

CONNECTION = "CosmosDBConnection"
"""The application's own setting for the account; with an identity ``CosmosDBConnection__accountEndpoint`` in its place."""
POLL_MILLISECONDS = {"execution_data": 500, "executions": 1_000}
"""How long the host waits where nothing is new; each poll is charged."""

Deliver = Callable[[func.DocumentList], Awaitable[None]]


def change_feed_triggers(settings: StoreSettings) -> func.Blueprint:
    """Return a trigger for each feed that tells of runs, each with positions of its own in the container ``leases``."""
    blueprint = func.Blueprint()
    for feed in RUN_FEEDS:
        function: Any = blueprint.cosmos_db_trigger(
            arg_name="documents",
            connection=CONNECTION,
            database_name=settings.cosmos_database,
            container_name=feed,
            lease_container_name="leases",
            lease_container_prefix=f"realtime-{feed}-",
            create_lease_container_if_not_exists=False,
            feed_poll_delay=POLL_MILLISECONDS[feed],
            max_items_per_invocation=100,
        )(_telling_of(feed))
        blueprint.retry(
            strategy="exponential_backoff", max_retry_count="-1", minimum_interval="00:00:01", maximum_interval="00:01:00"
        )(function)
    return blueprint


def _telling_of(feed: FeedName) -> Deliver:
    async def tell(documents: func.DocumentList) -> None:
        realtime = await opened.realtime()
        await realtime.trigger.handle(feed, [document.to_dict() for document in documents])

    tell.__name__, tell.__doc__ = f"tell_of_{feed}", f"Tell those who watch of what changed in {feed}."
    return tell
