"""What OpenTelemetry hears of recordings."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from bifrost_store.errors import BackendUnavailableError
from bifrost_store.recording import flusher
from bifrost_store.recording.telemetry import RecordingTelemetry
from tests.recording.world import FailingData, open_world

pytestmark = pytest.mark.anyio


def heard(reader: InMemoryMetricReader) -> Counter[str]:
    data = reader.get_metrics_data()
    assert data is not None
    found = Counter[str]()
    for metric in [one for resource in data.resource_metrics for scope in resource.scope_metrics for one in scope.metrics]:
        for point in metric.data.data_points:
            assert isinstance(point, NumberDataPoint)
            assert set(point.attributes or ()) <= {"bifrost_store.backend", "error.type"}
            found[metric.name.removeprefix("bifrost_store.recording.")] += int(point.value)
    return found


async def test_stores_failures_and_what_waits_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(flusher, "RecordingTelemetry", partial(RecordingTelemetry, meter_provider=provider))
    data = FailingData(down=BackendUnavailableError("away"))
    async with open_world(tmp_path, data) as world:
        async with world.repositories.execution_data.recording(await world.run()) as recording:
            for number in range(3):
                recording.info(str(number))
            assert not await recording.flush(seconds=0.2)
            told = heard(reader)
            assert (told["waiting"], told["items"]) == (3, 0)
            assert told["failures"] >= 1
            data.down = None
        told = heard(reader)
        assert (told["waiting"], told["items"], told["dropped"]) == (0, 4, 0)  # three lines, and that it ends
        assert 1 <= told["flushes"] <= 2
    provider.shutdown()
