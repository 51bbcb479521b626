"""`TriggerDelivery`: what a host's trigger hands over is told, kept as a dead letter, or handed over again; and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from bifrost_store import StoreSettings, open_store
from bifrost_store.changefeed import DeadLetters, FeedItem, FeedName
from bifrost_store.changefeed.telemetry import FeedTelemetry
from bifrost_store.errors import BackendUnavailableError, CorruptDocumentError
from bifrost_store.realtime import Delivery, RunPublisher, TriggerDelivery
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import execution
from tests.realtime.senders import KeepingSender

pytestmark = pytest.mark.anyio


class Told(Delivery):
    """Cannot tell of some items."""

    def __init__(self, errors: Mapping[str, Exception]) -> None:
        self.errors = errors
        self.told: list[str] = []

    async def tell(self, items: Sequence[FeedItem]) -> None:
        for item in items:
            if error := self.errors.get(item.key.id):  # type: ignore[union-attr]
                raise error
            self.told.append(item.key.id)  # type: ignore[union-attr]


def read(feed: FeedName, documents: Sequence[Mapping[str, Any]]) -> tuple[list[FeedItem], list[CorruptDocumentError]]:
    """Read documents, of which one says of itself that it cannot be read."""
    bad = [CorruptDocumentError("odd", key=str(one["id"])) for one in documents if "odd" in one]
    return [execution(one["id"]) for one in documents if "odd" not in one], bad


async def test_what_a_trigger_brings_is_told_kept_or_handed_over_again() -> None:
    """An item that cannot be told of stops none behind it; where the store is away, nothing is gone past, and it is counted."""
    numbers, clock = InMemoryMetricReader(), SettableClock()
    provider = MeterProvider(metric_readers=[numbers], shutdown_on_exit=False)

    def telemetry(processor: str, feed: FeedName) -> FeedTelemetry:
        return FeedTelemetry(processor, feed, tracer_provider=TracerProvider(), meter_provider=provider)

    def values(name: str) -> list[Any]:
        data = numbers.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == f"bifrost_store.feed.{name}"]
        return [getattr(point, "value", None) for metric in metrics for point in metric.data.data_points]

    async with open_store(StoreSettings(sqlite_path=":memory:"), clock=clock) as store:
        await store.provision()
        letters = DeadLetters(store.backend.backend("sqlite"), "p", clock=clock)
        told = Told({"e-2": ValueError("a bug")})
        publisher = RunPublisher(KeepingSender())
        trigger = TriggerDelivery(told, publisher, letters, read, clock=clock, telemetry=telemetry)
        written = int((clock.now - timedelta(seconds=3)).timestamp())
        documents: list[dict[str, Any]] = [{"id": 1}, {"id": "x", "odd": True}, {"id": 2}, {"id": 3, "_ts": written}]
        await trigger.handle("executions", documents)

        assert ["e-1", "e-3"] == told.told
        assert ["CorruptDocumentError", "ValueError"] == sorted([row.state.error async for row in letters.all()])
        assert ([2], [2]) == (values("handled"), values("dead_letters"))
        assert 3 <= values("age")[0] < 5

        told.errors = {"e-4": BackendUnavailableError("away")}
        with pytest.raises(BackendUnavailableError):
            await trigger.handle("executions", [{"id": 4}])
        assert [1] == values("failures")
        assert 2 == len([row async for row in letters.all()])
        await publisher.aclose()
