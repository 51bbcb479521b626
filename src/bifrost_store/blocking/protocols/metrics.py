"""How runs went: the figures of a dashboard, and how they are kept right. Without await; written by tools/blocking.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from bifrost_store.core.scope import Scope
from bifrost_store.repository_protocols.metrics import Dashboard, MetricsComparison, MetricsReport, MetricsStatus, Window


class BlockingMetrics(Protocol):
    """Figures over runs that ended, by hour and day in UTC of ``completed_at``.

    Each is a count of the runs that are there, made anew whenever something about them changes, for as long as they are kept. So a
    crash, a repeated delivery, a correction or a deletion cannot make a figure wrong: the next count puts it right.
    """

    def dashboard(self, scope: Scope | None, window: Window) -> Dashboard:
        """Return the figures of a scope, or for None those of the whole platform, over a window and the one before it.

        Where they come from, the setting and flag say: see `bifrost_store.settings.StoreSettings.metrics`.

        Raises:
            InvalidRequestError: There is no such window.
            InvalidKeyError: *scope* is SYSTEM, where no runs are.
        """
        ...

    def rollup(self) -> MetricsReport:
        """Count the last hours of every scope again, and days where what is stored is not what a count finds; finish days.

        To be called at least once an hour, by a timer; it needs no change feed.
        """
        ...

    def rebuild(self, scope: Scope | None = None, *, day: date | None = None) -> MetricsReport:
        """Count every open day again, or *day* alone, of every scope or of one.

        Raises:
            InvalidRequestError: *day* is no date, is frozen, as its runs are no longer all there, or lies in the future. Nothing
                was written.
        """
        ...

    def compare(self, scope: Scope | None = None, *, days: int | None = None) -> MetricsComparison:
        """Compare what is stored of open days with a count made now; changes nothing.

        What differs is looked at again until neither side has changed for a while, so that runs which end meanwhile are no
        differences.

        Args:
            scope: Whose; by default everybody's and the platform's.
            days: The last ones, today included; by default all that are open.

        Raises:
            InvalidRequestError: *days* is not from 1 on.
        """
        ...

    def status(self) -> Sequence[MetricsStatus]:
        """Return how far counting has come, of the platform and of each scope."""
        ...

    def purge_expired(self) -> int:
        """Remove hours of more than 90 days ago for good, and return how many. Readers do not see them before either."""
        ...
