"""What OpenTelemetry hears of a processor: never an id, a key or contents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.trace import StatusCode

from bifrost_store.core.feed import FeedPage, FeedRange
from bifrost_store.core.spec import FeedName


class FeedTelemetry:
    """Spans and metrics of one processor.

    Args:
        processor: Its name.
        feed: What it follows.
        tracer_provider, meter_provider: By default OpenTelemetry's global ones.
    """

    def __init__(
        self,
        processor: str,
        feed: FeedName,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._attributes = {"bifrost_store.processor": processor, "bifrost_store.feed": feed}
        self._tracer = trace.get_tracer("bifrost_store", tracer_provider=tracer_provider)
        meter = metrics.get_meter("bifrost_store", meter_provider=meter_provider)
        self._handled = meter.create_counter("bifrost_store.feed.handled", "{item}", "Items that a handler was given and took.")
        self._failures = meter.create_counter("bifrost_store.feed.failures", "{failure}", "Pages whose position was held.")
        self._dead = meter.create_counter("bifrost_store.feed.dead_letters", "{item}", "Items that a handler could not take.")
        self._lag = meter.create_gauge("bifrost_store.feed.lag", "{item}", "Changes behind the position of a range.")
        self._age = meter.create_gauge("bifrost_store.feed.age", "s", "Age of the last item that was handled, when it was.")

    @contextmanager
    def handling(self, count: int) -> Iterator[None]:
        """Tell that *count* items are handed over, and whether that fails."""
        attributes: Mapping[str, str | int] = {**self._attributes, "bifrost_store.items": count}
        with self._tracer.start_as_current_span(
            "feed.handle", attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    def handled(self, count: int) -> None:
        """Tell that *count* items were taken."""
        self._handled.add(count, self._attributes)

    def failed(self, error: str) -> None:
        """Tell that a position is held; *error* is the class of what was raised."""
        self._failures.add(1, {**self._attributes, "error.type": error})

    def dead_letters(self, count: int) -> None:
        """Tell that items were gone past."""
        self._dead.add(count, self._attributes)

    def moved(self, part: FeedRange, page: FeedPage) -> None:
        """Tell where a range stands now."""
        attributes = {**self._attributes, "bifrost_store.range": str(part)}
        self._lag.set(page.lag_items, attributes)
        self._age.set(page.lag_seconds, attributes)

    def aged(self, seconds: float) -> None:
        """Tell how old what was handled last is, where the range is not known."""
        self._age.set(seconds, self._attributes)
