"""What OpenTelemetry hears of real time: never an id, nor anything that was sent."""

from __future__ import annotations

from opentelemetry import metrics


class RealtimeTelemetry:
    """Metrics of one sender.

    Args:
        meter_provider: By default OpenTelemetry's global one.
    """

    def __init__(self, meter_provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("bifrost_store", meter_provider=meter_provider)
        self._messages = meter.create_counter("bifrost_store.realtime.messages", "{message}", "Messages that were sent to groups.")
        self._bytes = meter.create_counter("bifrost_store.realtime.bytes", "By", "Bytes of messages that were sent to groups.")
        self._dropped = meter.create_counter("bifrost_store.realtime.dropped", "{message}", "Messages that were not sent.")
        self._throttled = meter.create_counter("bifrost_store.realtime.throttled", "{answer}", "Times a service asked to wait.")
        self._refused = meter.create_counter("bifrost_store.realtime.refused", "{request}", "Requests to watch that were refused.")

    def sent(self, target: str, size: int) -> None:
        """Count a message."""
        self._messages.add(1, {"bifrost_store.target": target})
        self._bytes.add(size, {"bifrost_store.target": target})

    def dropped(self, count: int, reason: str) -> None:
        """Count messages that are read instead; *reason* is an error's class, or ``backlog``, ``stopped``, ``too_old``."""
        self._dropped.add(count, {"error.type": reason})

    def throttled(self) -> None:
        """Count that a service asked to wait."""
        self._throttled.add(1)

    def refused(self, reason: str) -> None:
        """Count a request to watch that was refused."""
        self._refused.add(1, {"error.type": reason})
