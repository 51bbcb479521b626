"""Makes what follows runs for the figures of dashboards, and what counts them again after a hand-over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import TRIGGERED, read_feed_items
from bifrost_store.changefeed import DeadLetters
from bifrost_store.core.clock import Clock
from bifrost_store.core.handover import AfterHandover
from bifrost_store.core.query import SORT_KEY, Query, Range
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents.metrics import PLATFORM
from bifrost_store.errors import StoreError
from bifrost_store.metrics.following import DirtyHours, MetricsProcessor, Pace
from bifrost_store.metrics.keeping import KIND, Keeper
from bifrost_store.metrics.periods import OpenDays
from bifrost_store.metrics.rolling import Rounds
from bifrost_store.opening.store import open_store
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store

__all__ = ["Pace", "handle_documents", "metrics_processor", "recount_after"]

_FIGURES: Final = Query(KIND, GLOBAL, (Range(SORT_KEY, PLATFORM, PLATFORM + "~"),), limit=1)


def metrics_processor(store: Store, name: str, *, poll_seconds: float = 5.0) -> MetricsProcessor:
    """Return what keeps the figures of *store* right while runs end, by the feed of its backend *name*.

    Raises:
        ConfigurationError: That backend has no feed, or runs are kept for less than three days.
    """
    clock = store.context.clock
    keeper = Keeper(store.backend, OpenDays(store.context.retention), clock)
    rounds = Rounds(store.backend, keeper, clock)
    return MetricsProcessor(store.backend.backend(name), keeper, rounds, clock, poll_seconds=poll_seconds)


async def handle_documents(store: Store, processor: str, documents: Sequence[Mapping[str, Any]], *, pace: Pace) -> None:
    """Count the hours again that raw documents of the feed of runs touch, for a host that reads it itself: Azure Functions.

    What cannot be read becomes a dead letter before this returns. The platform's figures are left to `Metrics.rollup`.

    Args:
        processor: Names the dead letters.
        pace: Of the recounts, one for all calls in a process: a call waits, a minute at most, until a scope may be counted again.

    Raises:
        StoreError: The documents are to be handed over again.
    """
    items, unreadable = read_feed_items("executions", documents)
    letters = DeadLetters(store.backend.backend(TRIGGERED), processor, clock=store.context.clock)
    for error in unreadable:
        await letters.keep_unreadable("executions", error)
    keeper = Keeper(store.backend, OpenDays(store.context.retention), store.context.clock)
    await DirtyHours(keeper, store.context.clock, pace)(items)


def recount_after(settings: StoreSettings, stores: Mapping[str, Backend], clock: Clock) -> AfterHandover:
    """Return what counts the open days again, through the new route, where there are figures at all.

    Args:
        settings: Of the store that is opened for it.
        stores: Are asked whether there are figures.
        clock: Tells the time.
    """

    async def recount(scopes: Sequence[Scope], /) -> Sequence[str]:
        try:
            if not await _has_figures(stores.values()):
                return ()
            async with open_store(settings, clock=clock) as store:
                reports = [await store.metrics.rebuild(scope) for scope in scopes] or [await store.metrics.rebuild()]
        except StoreError as error:
            return (f"the figures of dashboards could not be counted again ({type(error).__name__}): call metrics rebuild",)
        days = sum(report.days for report in reports)
        return (f"the figures of dashboards were counted again: {days} days of scopes",)

    return recount


async def _has_figures(stores: Iterable[Backend]) -> bool:
    """Return whether one of *stores* has any; one that does not answer has none to be counted."""
    for store in stores:
        with suppress(StoreError):
            if len(await store.query(_FIGURES)):
                return True
    return False
