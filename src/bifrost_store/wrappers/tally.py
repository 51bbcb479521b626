"""Counts what goes on beside the callers: writes to a second store, repairs, comparisons."""

from __future__ import annotations

from collections import Counter
from typing import Final

from opentelemetry.metrics import MeterProvider, get_meter

_EVENT: Final = "bifrost_store.event"


class Tally:
    """Counts events by name, for a report and for OpenTelemetry.

    Args:
        name: Of the counter: ``bifrost_store.<name>``.
        meter_provider: By default OpenTelemetry's global one.

    Attributes:
        counts: How often each event was seen.
    """

    def __init__(self, name: str, *, meter_provider: MeterProvider | None = None) -> None:
        self.counts: Counter[str] = Counter()
        meter = get_meter("bifrost_store", meter_provider=meter_provider)
        self._counter = meter.create_counter(f"bifrost_store.{name}", "{event}", "What went on beside the callers.")

    def note(self, event: str, count: int = 1) -> None:
        """Count *event*."""
        if count:
            self.counts[event] += count
            self._counter.add(count, {_EVENT: event})
