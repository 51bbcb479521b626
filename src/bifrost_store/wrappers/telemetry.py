"""What OpenTelemetry hears: names, attributes and instruments. Never an id, a key, a name or contents of anybody's data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextvars import Token
from typing import Final

from opentelemetry import context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode

from bifrost_store.core.meter import Meter

Attributes = Mapping[str, str | int]
Started = tuple[Span, Token[Context] | None]
"""A span that has begun, and how to make its parent the current one again."""

OPERATION: Final = "bifrost_store.operation"
BACKEND: Final = "bifrost_store.backend"
SERVICE: Final = "bifrost_store.service"
ERROR_TYPE: Final = "error.type"
_SECONDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
"""Bounds of the histograms ("Semantic conventions for database metrics", OpenTelemetry)."""


class Telemetry:
    """Spans and metrics of one store.

    Args:
        tracer_provider, meter_provider: By default OpenTelemetry's global ones, within a second also if they are set later.
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None, meter_provider: metrics.MeterProvider | None) -> None:
        self._is_given = tracer_provider is not None or meter_provider is not None
        self._is_heard = False
        self._look_again_at = -math.inf
        self._tracer = trace.get_tracer("bifrost_store", tracer_provider=tracer_provider)
        meter = metrics.get_meter("bifrost_store", meter_provider=meter_provider)
        self._operations = meter.create_histogram(
            "db.client.operation.duration",
            "s",
            "Duration of operations on a backend or blob store.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._calls = meter.create_histogram(
            "bifrost_store.call.duration", "s", "Duration of calls.", explicit_bucket_boundaries_advisory=_SECONDS
        )
        self._requests = meter.create_counter("bifrost_store.requests", "{request}", "Requests sent, repeated ones included.")
        self._retries = meter.create_counter("bifrost_store.retries", "{request}", "Requests sent again.")
        self._request_units = meter.create_counter("bifrost_store.request_units", "{request_unit}", "Charged by Cosmos DB.")
        self._sent = meter.create_counter("bifrost_store.sent", "By", "Bodies of requests.")
        self._received = meter.create_counter("bifrost_store.received", "By", "Bodies of answers.")

    def is_heard(self, now: float) -> bool:
        """Return whether anybody listens: until an SDK is set up there are only OpenTelemetry's own stand-ins for one.

        Args:
            now: The present moment, in seconds of any clock. It is looked again at most once a second.
        """
        if now >= self._look_again_at:
            self._look_again_at = now + 1.0
            is_silent = _is_stand_in(trace.get_tracer_provider()) and _is_stand_in(metrics.get_meter_provider())
            self._is_heard = self._is_given or not is_silent
        return self._is_heard

    def start_call(self, call: str) -> Started:
        """Begin the span of a call."""
        return self._start(call, SpanKind.INTERNAL, {OPERATION: call})

    def start_operation(self, attributes: Attributes, call: str, batch_size: int) -> Started:
        """Begin the span of an operation, made for a *call*."""
        collection = attributes.get("db.collection.name")
        title = f"{attributes['db.operation.name']}{'' if collection is None else f' {collection}'}"
        if batch_size > 1:
            attributes = {**attributes, "db.operation.batch.size": batch_size}
        return self._start(title, SpanKind.CLIENT, {**attributes, OPERATION: call})

    def _start(self, name: str, kind: SpanKind, attributes: Attributes) -> Started:
        span = self._tracer.start_span(name, kind=kind, attributes=attributes)
        # Without an SDK there is nothing that the spans of other libraries could belong to.
        return span, context.attach(trace.set_span_in_context(span)) if span.get_span_context().is_valid else None

    def end_call(self, started: Started, call: str, backend: str, meter: Meter, seconds: float, error: str | None) -> None:
        """End the span of a call and tell what it cost; *error* is the class of what it raised."""
        _end(started, meter, error, backend)
        attributes = {OPERATION: call, BACKEND: backend}
        self._calls.record(seconds, attributes if error is None else {**attributes, ERROR_TYPE: error})

    def end_operation(
        self, started: Started, attributes: Attributes, call: str, meter: Meter, seconds: float, error: str | None
    ) -> None:
        """End the span of an operation and tell what it cost; *error* is the class of what it raised."""
        _end(started, meter, error)
        self._operations.record(seconds, attributes if error is None else {**attributes, ERROR_TYPE: error})
        attributes = {**attributes, OPERATION: call}
        for service, count in meter.requests.items():
            self._requests.add(count, {**attributes, SERVICE: service})
        if meter.retries:
            self._retries.add(meter.retries, attributes)
        if meter.request_units:
            self._request_units.add(meter.request_units, attributes)
        if meter.sent_bytes:
            self._sent.add(meter.sent_bytes, attributes)
        if meter.received_bytes:
            self._received.add(meter.received_bytes, attributes)


def operation_attributes(system: str, name: str, collection: str | None) -> Attributes:
    """Return what is said of an operation ("Semantic conventions for database client spans", OpenTelemetry)."""
    attributes = {"db.system.name": system, "db.operation.name": name}
    return attributes if collection is None else {**attributes, "db.collection.name": collection}


def _is_stand_in(provider: object) -> bool:
    return type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


def _end(started: Started, meter: Meter, error: str | None, backend: str | None = None) -> None:
    span, token = started
    if token is not None:
        context.detach(token)
    if span.is_recording():
        span.set_attributes(
            {
                "bifrost_store.requests": meter.requests.total(),
                "bifrost_store.retries": meter.retries,
                "bifrost_store.request_units": meter.request_units,
                "bifrost_store.sent_bytes": meter.sent_bytes,
                "bifrost_store.received_bytes": meter.received_bytes,
            }
        )
        if backend is not None:
            span.set_attribute(BACKEND, backend)
        if error is not None:
            # The class only: messages name what they are about.
            span.set_attribute(ERROR_TYPE, error)
            span.set_status(StatusCode.ERROR)
    span.end()
