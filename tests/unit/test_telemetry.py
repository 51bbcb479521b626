"""What OpenTelemetry hears of a store, and what it never hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from bifrost_store import GLOBAL, ConfigType, ExecutionStatus, Scope
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.core.clock import utc_now
from bifrost_store.core.meter import count, count_answer, count_retry
from bifrost_store.core.operations import Create
from bifrost_store.documents import SPECS
from bifrost_store.errors import PreconditionFailedError, StoreError
from bifrost_store.repositories.assembly import Context, Repositories
from bifrost_store.testing.examples import role_user
from bifrost_store.testing.strategies import identifiers
from bifrost_store.wrappers.checked import CheckedBackend
from bifrost_store.wrappers.observe import ObservedBackend, ObservedBlobStore
from bifrost_store.wrappers.observer import Observer, Place
from bifrost_store.wrappers.telemetry import Telemetry
from tests.thorough import examples

pytestmark = pytest.mark.anyio

ADA = "ada@msp.example"


@dataclass(frozen=True)
class Ears:
    """An observer whose telemetry is kept."""

    observer: Observer
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    @classmethod
    def open(cls) -> Ears:
        exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracer_provider = TracerProvider(shutdown_on_exit=False)
        tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
        meter_provider = MeterProvider([reader], shutdown_on_exit=False)
        return cls(Observer(utc_now, tracer_provider=tracer_provider, meter_provider=meter_provider), exporter, reader)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def points(self, metric: str) -> dict[frozenset[tuple[str, Any]], Any]:
        """Return the points of a metric by their attributes."""
        found = [one for one in self._metrics() if one["name"] == metric]
        return {frozenset(point["attributes"].items()): point for one in found for point in one["data"]["data_points"]}

    def everything(self) -> str:
        """Return all that was told, as text."""
        return "\n".join([*(span.to_json() for span in self.exporter.get_finished_spans()), json.dumps(self._metrics())])

    def _metrics(self) -> list[dict[str, Any]]:
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        resources = json.loads(data.to_json())["resource_metrics"]
        return [one for resource in resources for scope in resource["scope_metrics"] for one in scope["metrics"]]


@pytest.fixture
def ears() -> Ears:
    return Ears.open()


@asynccontextmanager
async def opened(observer: Observer) -> AsyncIterator[Repositories]:
    """Open repositories on SQLite in memory, observed as those of a store are."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        backend = CheckedBackend(ObservedBackend(SqliteBackend(":memory:", SPECS), observer), SPECS)
        stack.push_async_callback(backend.aclose)
        blobs = ObservedBlobStore(FolderBlobStore(Path(folder)), "sqlite", observer)
        yield Repositories(Context(backend, utc_now, lambda _: blobs), observer.repository)


async def test_spans_of_a_call_and_its_operations(ears: Ears) -> None:
    """An operation's span lies in the span of the call that it was made for, and both say what it cost."""
    async with opened(ears.observer) as repositories:
        await repositories.config.get(GLOBAL, "time_zone")
    (call,), (operation,) = ears.spans("config.get"), ears.spans("get config")

    assert operation.parent is not None
    assert operation.parent.span_id == call.context.span_id
    assert (call.kind, operation.kind) == (SpanKind.INTERNAL, SpanKind.CLIENT)
    assert call.attributes is not None
    assert dict(operation.attributes or {}) == {
        "db.system.name": "sqlite",
        "db.operation.name": "get",
        "db.collection.name": "config",
        "bifrost_store.operation": "config.get",
        "bifrost_store.requests": call.attributes["bifrost_store.requests"],
        "bifrost_store.retries": 0,
        "bifrost_store.request_units": 0.0,
        "bifrost_store.sent_bytes": 0,
        "bifrost_store.received_bytes": 0,
    }
    assert (call.attributes["bifrost_store.backend"], operation.status.status_code) == ("sqlite", StatusCode.UNSET)


async def test_a_failure_is_told_by_its_class_alone(ears: Ears) -> None:
    """Spans of what failed have status and class, in the metrics too; no message, which would name what it is about."""
    async with opened(ears.observer) as repositories:
        created = await repositories.organizations.create("Juniper", created_by=ADA, id="juniper")
        await repositories.organizations.update("juniper", name="Juniper Clinics")
        with pytest.raises(PreconditionFailedError):
            await repositories.organizations.update("juniper", name="Other", etag=created.etag)
    failed = ears.spans("organizations.update")[1]

    assert (failed.status.status_code, failed.status.description, failed.events) == (StatusCode.ERROR, None, ())
    assert dict(failed.attributes or {})["error.type"] == "PreconditionFailedError"
    calls = ears.points("bifrost_store.call.duration")
    key = {"bifrost_store.operation": "organizations.update", "bifrost_store.backend": "sqlite"}
    assert calls[frozenset(key.items())]["count"] == 1
    assert calls[frozenset({**key, "error.type": "PreconditionFailedError"}.items())]["count"] == 1


async def test_metrics_of_operations(ears: Ears) -> None:
    """Requests by service, retries, request units and bytes are counted by backend, operation, kind and call."""
    for _ in range(2):
        with ears.observer.call("users.list"), ears.observer.operation(Place("backend", "table", "azure.table"), "query", "user"):
            count("table", sent_bytes=7)
            count("table", sent_bytes=7)
            count_retry()
            count("table_short_page")
            count_answer(1000, request_units=2.5)
    what = {"db.system.name": "azure.table", "db.operation.name": "query", "db.collection.name": "user"}
    whose = frozenset({**what, "bifrost_store.operation": "users.list"}.items())

    assert ears.points("db.client.operation.duration")[frozenset(what.items())]["count"] == 2
    requests = ears.points("bifrost_store.requests")
    assert requests[whose | {("bifrost_store.service", "table")}]["value"] == 4
    assert requests[whose | {("bifrost_store.service", "table_short_page")}]["value"] == 2
    for name, value in (("retries", 2), ("request_units", 5.0), ("sent", 28), ("received", 2000)):
        assert ears.points(f"bifrost_store.{name}")[whose]["value"] == value


async def test_the_size_of_a_batch(ears: Ears) -> None:
    """A batch of several says how many, on its span only: as a dimension of a metric it would be one too many."""
    backend = ObservedBackend(SqliteBackend(":memory:", SPECS), ears.observer)
    await backend.batch([Create(role_user(f"user-{n}")) for n in range(3)])
    await backend.aclose()
    (span,) = ears.spans("batch role_user")

    assert dict(span.attributes or {})["db.operation.batch.size"] == 3
    assert not any("db.operation.batch.size" in dict(point) for point in ears.points("db.client.operation.duration"))


async def test_calls_at_the_same_time_have_their_own_spans(ears: Ears) -> None:
    """Operations of two tasks fall under the call of their own task."""
    async with opened(ears.observer) as repositories, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(repositories.users.list)
            group.start_soon(repositories.schedules.list)
    calls = {span.context.span_id: span.name for span in ears.spans("users.list") + ears.spans("schedules.list")}

    for collection, name in (("user", "users.list"), ("schedule", "schedules.list")):
        parents = [span.parent.span_id for span in ears.spans(f"query {collection}") if span.parent is not None]
        assert [name] * 3 == [calls[parent] for parent in parents]


def test_an_sdk_that_is_set_up_later_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's stand-ins hear nothing; whether a real provider has taken their place is looked up once a second."""
    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    monkeypatch.setattr(metrics, "get_meter_provider", metrics.NoOpMeterProvider)
    telemetry = Telemetry(None, None)
    assert not telemetry.is_heard(10.0)

    monkeypatch.setattr(metrics, "get_meter_provider", MeterProvider)
    assert [telemetry.is_heard(now) for now in (10.9, 11.0, 11.1)] == [False, True, True]
    assert Telemetry(None, None).is_heard(0.0)
    monkeypatch.undo()
    assert Telemetry(TracerProvider(shutdown_on_exit=False), None).is_heard(0.0)


hostile = st.one_of(identifiers, st.from_regex(r"[a-z]{8}@[a-z]{8}\.example", fullmatch=True))


@examples(25)
@given(st.lists(hostile.map(lambda text: f"needle@{text}"[:128]), min_size=3, max_size=3, unique=True))
def test_nobodys_data_is_told(names: list[str]) -> None:
    """Whatever ids, e-mails, keys, names and contents a call is given, and however it fails, no span or metric holds a part."""

    async def call(repositories: Repositories) -> None:
        user, key, secret = names
        scope = Scope.organization("needle-1")
        for one in (
            repositories.organizations.create(secret, created_by=user, id="needle-1"),
            repositories.users.create(user, organization_id="needle-1"),
            repositories.users.create(user),
            repositories.users.get(user),
            repositories.config.set(scope, key, secret, config_type=ConfigType.STRING, updated_by=user),
            repositories.config.set(scope, key, secret, config_type=ConfigType.STRING, updated_by=user, etag="needle"),
            repositories.config.get(scope, key),
            repositories.config.delete(scope, f"{key}\ud800"),
            repositories.executions.create(
                scope, workflow_name=key, executed_by=user, executed_by_name=secret, input_data={"needle": secret * 9000}
            ),
            repositories.uploads.save(key, secret.encode(errors="replace"), "text/needle"),
            repositories.uploads.link(key, valid_for=timedelta(hours=1)),
            repositories.api_keys.validate(key, secret),
            repositories.executions.list(scope, continuation_token="needle"),
        ):
            with suppress(StoreError):
                await one
        for run in await repositories.executions.list(scope):
            await repositories.executions.complete(run, ExecutionStatus.SUCCESS, result={"needle": secret * 2000})

    async def listen() -> str:
        ears = Ears.open()
        async with opened(ears.observer) as repositories:
            await call(repositories)
        return ears.everything()

    # Not anyio.run: where sniffio is installed it takes the loop of the plugin, which waits, for one that runs.
    told = asyncio.run(listen())
    assert "config.set" in told
    assert "put execution-data" in told
    assert "needle" not in told
