"""What OpenTelemetry hears of a processor, and that it hears nobody's data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.changefeed import ChangeFeedProcessor, FeedItem, FeedTiming
from bifrost_store.changefeed.telemetry import FeedTelemetry
from bifrost_store.core.record import Record
from bifrost_store.documents import SPECS
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.examples import config
from bifrost_store.wrappers.checked import CheckedBackend

pytestmark = pytest.mark.anyio


async def test_what_is_heard() -> None:
    """Items, held pages and dead letters are counted, lag and age are told for each range, and each page is a span."""
    spans, numbers = InMemorySpanExporter(), InMemoryMetricReader()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    backend = SqliteBackend(":memory:", SPECS)
    await create_all(backend, [config(f"secret-{name}") for name in "abc"])
    calls = 0

    async def handle(items: Sequence[FeedItem]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError("away: secret")
        if any(isinstance(item, Record) and item.key.id == "secret-b" for item in items):
            raise ValueError("secret")

    processor = ChangeFeedProcessor(
        CheckedBackend(backend, SPECS),
        name="p",
        feed="entities",
        handler=handle,
        start="beginning",
        poll_seconds=0.01,
        timing=FeedTiming(look=0.05, first_pause=0.01),
        telemetry=FeedTelemetry(
            "p", "entities", tracer_provider=tracing, meter_provider=MeterProvider(metric_readers=[numbers], shutdown_on_exit=False)
        ),
    )

    def told() -> dict[str, dict[str, Any]]:
        data = numbers.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {
            metric.name: {str(dict(point.attributes or {})): getattr(point, "value", None) for point in metric.data.data_points}
            for scope in scopes
            for metric in scope.metrics
        }

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(processor.run)
            while "bifrost_store.feed.lag" not in told():  # noqa: ASYNC110 - a test waits
                await anyio.sleep(0.01)
            processor.stop()
    await backend.aclose()

    found = told()
    values = {name.removeprefix("bifrost_store.feed."): list(points.values()) for name, points in found.items()}
    assert ([2], [1], [1], [0]) == (values["handled"], values["failures"], values["dead_letters"], values["lag"])
    assert values["age"][0] >= 0
    finished = spans.get_finished_spans()
    assert ["feed.handle", "feed.handle"] == [span.name for span in finished]
    assert "ConnectionError" == (finished[0].attributes or {})["error.type"]
    assert "secret" not in str(found) + "".join(span.to_json() for span in finished)
