"""What OpenTelemetry hears of recordings. Never an id, nor anything that was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

BACKEND: Final = "bifrost_store.backend"


class RecordingTelemetry:
    """Metrics of one flusher.

    Args:
        waiting: Returns how many items are on their way to each store.
        meter_provider: By default OpenTelemetry's global one.
    """

    def __init__(self, waiting: Callable[[], dict[str, int]], meter_provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("bifrost_store", meter_provider=meter_provider)
        self._items = meter.create_counter("bifrost_store.recording.items", "{item}", "Items of recordings that were stored.")
        self._flushes = meter.create_counter("bifrost_store.recording.flushes", "{flush}", "Flushes that were stored.")
        self._failures = meter.create_counter("bifrost_store.recording.failures", "{flush}", "Flushes that are tried again.")
        self._dropped = meter.create_counter("bifrost_store.recording.dropped", "{item}", "Items that could not be kept.")

        def observe(options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(count, {BACKEND: store}) for store, count in waiting().items()]

        meter.create_observable_gauge("bifrost_store.recording.waiting", [observe], "{item}", "Items that are not stored yet.")

    def stored(self, store: str, items: int) -> None:
        """Count a flush with so many items."""
        self._flushes.add(1, {BACKEND: store})
        self._items.add(items, {BACKEND: store})

    def failed(self, store: str, error: str) -> None:
        """Count a flush that failed with an error of this class, and will be tried again."""
        self._failures.add(1, {BACKEND: store, "error.type": error})

    def dropped(self, items: int) -> None:
        """Count items that will never be stored."""
        self._dropped.add(items)
