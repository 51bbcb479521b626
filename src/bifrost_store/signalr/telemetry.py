"""What OpenTelemetry hears of a hub: how much, never who or what."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from bifrost_store.signalr.counters import Counters

__all__ = ["MeterProvider", "observe"]

_COUNTED = {
    "opened": ("{connection}", "Connections whose handshake was done."),
    "frames_out": ("{frame}", "Frames sent to clients."),
    "messages_out": ("{message}", "Messages in them."),
    "bytes_out": ("By", "Bytes of them."),
    "frames_in": ("{frame}", "Frames that clients sent."),
    "bytes_in": ("By", "Bytes of them."),
    "messages_dropped": ("{message}", "Messages that slow clients did not get."),
    "resyncs": ("{resync}", "Queues of slow clients that were replaced by one message."),
}

Observe = Callable[[CallbackOptions], Iterable[Observation]]


def observe(counters: Counters, hub: str, meter_provider: MeterProvider | None = None) -> None:
    """Let OpenTelemetry read counters when it wants to, as long as they are there.

    Args:
        counters: Of one hub in one process.
        hub: Its name.
        meter_provider: By default OpenTelemetry's global one.
    """
    meter = metrics.get_meter("bifrost_store.signalr", meter_provider=meter_provider)
    present = weakref.ref(counters)
    attributes = {"signalr.hub": hub}

    def read(name: str) -> Observe:
        def observed(_: CallbackOptions) -> Iterable[Observation]:
            found = present()
            return [] if found is None else [Observation(getattr(found, name), attributes)]

        return observed

    def refused(_: CallbackOptions) -> Iterable[Observation]:
        found = present()
        return [] if found is None else [Observation(n, {**attributes, "signalr.reason": str(r)}) for r, n in found.refused.items()]

    meter.create_observable_up_down_counter(
        "signalr.connections", [read("connections")], "{connection}", "Clients that are connected."
    )
    meter.create_observable_counter(
        "signalr.refused", [refused], "{refusal}", "Requests and connections that were refused or ended, by reason."
    )
    for name, (unit, description) in _COUNTED.items():
        meter.create_observable_counter(f"signalr.{name}", [read(name)], unit, description)
