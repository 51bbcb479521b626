"""How the runs went that ended in an hour or on a day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from typing_extensions import override

from bifrost_store.core.clock import as_utc
from bifrost_store.core.histogram import MAX_BUCKET, Histogram, pack_histogram, unpack_histogram
from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents.base import Document, UtcTime
from bifrost_store.errors import InvalidKeyError, InvalidRequestError

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
PLATFORM: Final = "platform-"
_ID: Final = re.compile(r"(platform-)?(?:hourly-(\d{4}-\d{2}-\d{2}T\d{2})|daily-(\d{4}-\d{2}-\d{2}))")
_COUNTS: Final = (
    "totalExecutions",
    "successCount",
    "failedCount",
    "timeoutCount",
    "completedWithErrorsCount",
    "cancelledCount",
    "unreadableCount",
    "durationCount",
)
MAX_COUNT: Final = 2**53 - 1
"""No store has so many runs: a figure beyond it is damaged. The last whole number that every reader of JSON keeps."""
_MOST_MILLISECONDS: Final = 2**63 - 1
_ALWAYS_TOLD: Final = frozenset({"count", "successCount", "failedCount"})
"""By the plan, of each workflow."""


def hourly_id(moment: datetime) -> str:
    """Return the id of the hour, in UTC, that *moment* lies in."""
    return f"hourly-{as_utc(moment):%Y-%m-%dT%H}" if moment.year > 999 else f"hourly-{as_utc(moment).isoformat()[:13]}"


def daily_id(moment: datetime) -> str:
    """Return the id of the day, in UTC, that *moment* lies on."""
    return f"daily-{as_utc(moment).date().isoformat()}"


def start_of(record_id: str) -> datetime:
    """Return when the hour or day of an id begins.

    Raises:
        InvalidKeyError: *record_id* is neither ``hourly-<date>T<hour>`` nor ``daily-<date>``, with or without ``platform-`` before.
    """
    match = _ID.fullmatch(record_id)
    try:
        if match is not None:
            return datetime.fromisoformat(match[2] or match[3]).replace(tzinfo=UTC)
    except ValueError:
        pass
    raise InvalidKeyError(
        f"metrics id {record_id[:80]!r}: hourly-<date>T<hour> or daily-<date>, such as daily-2025-01-26, with or without platform-"
    )


def _check_id(text: str) -> None:
    start_of(text)


def _check_body(record_id: str, body: Mapping[str, object]) -> None:
    for name in _COUNTS:
        value = body[name]
        if type(value) is not int or value < 0:
            raise InvalidRequestError(f"{name}: must be a whole number from 0")
    try:
        unpack_histogram(str(body["histogram"]))
    except ValueError as error:
        raise InvalidRequestError(f"histogram: {error}") from None


def _histogram(value: object) -> Histogram:
    return unpack_histogram(value) if isinstance(value, str) else _HISTOGRAM.validate_python(value)


def _saturated(total: int) -> int:
    return max(-_MOST_MILLISECONDS, min(_MOST_MILLISECONDS, total))


WholeNumber = Annotated[int, Field(strict=True, ge=0)]
"""From 0, and nothing else that could be taken for a number."""
Milliseconds = Annotated[int, Field(strict=True), AfterValidator(_saturated)]
"""As far as 64 bits go."""
_HISTOGRAM: Final = TypeAdapter(dict[Annotated[int, Field(ge=0, le=MAX_BUCKET)], WholeNumber])


class RunCounts(BaseModel):
    """How many runs ended how, and how long they took; the counts of disjoint runs add up.

    Attributes:
        count: Runs that ended, with whatever status.
        success_count, failed_count, timeout_count, completed_with_errors_count, cancelled_count: By final status; with
            *unreadable_count* they make up *count*.
        unreadable_count: Runs whose status is none that this version knows, so that they are in no list either.
        duration_count: Runs that have a duration.
        total_duration_ms: Of those together, as far as 64 bits go.
        histogram: How many durations fell into each bucket of `bifrost_store.core.histogram`, by its least value.
    """

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    count: WholeNumber = 0
    success_count: WholeNumber = 0
    failed_count: WholeNumber = 0
    timeout_count: WholeNumber = 0
    completed_with_errors_count: WholeNumber = 0
    cancelled_count: WholeNumber = 0
    unreadable_count: WholeNumber = 0
    duration_count: WholeNumber = 0
    total_duration_ms: Milliseconds = 0
    histogram: Annotated[Histogram, PlainValidator(_histogram), PlainSerializer(dict)] = Field(default_factory=dict)

    @property
    def average_duration_ms(self) -> int | None:
        """Of the runs that have a duration, to the nearest whole number, halves upwards; None without any."""
        if not self.duration_count:
            return None
        return (2 * self.total_duration_ms + self.duration_count) // (2 * self.duration_count)


_TIME: Final = TypeAdapter(UtcTime)
_FIGURES: Final = attrgetter(*(RunCounts.model_fields.keys() - {"total_duration_ms", "histogram"}))


def plausible(counts: RunCounts) -> RunCounts:
    """Return *counts*, unless they are more than any store has.

    Raises:
        ValueError: They are.
    """
    if max(*_FIGURES(counts), *counts.histogram.values()) > MAX_COUNT:
        raise ValueError(f"counts more than {MAX_COUNT} runs")
    return counts


PlausibleCounts = Annotated[RunCounts, AfterValidator(plausible)]
"""No more than any store has."""


class PeriodMetrics(Document):
    """The runs of a scope, or of the whole platform, that ended in an hour or on a day, in UTC.

    Attributes:
        id: ``hourly-<date>T<hour>`` or ``daily-<date>``; with ``platform-`` before, in GLOBAL, for all scopes together.
        date: The day, as ``2025-01-26``.
        hour: 0 to 23; None for a day.
        total: The figures of all runs.
        workflows: Those of the 50 workflows with most runs, by name; of a day approximately, as it is added up from hours.
        others: Those of all other workflows together; None without any.
        counted_at: Before the figures were counted.
        open_until: Until when they may be counted again; None for hours, which go with their day.
        final_at: When a day was counted for the last time, shortly before its runs expire; None: not yet.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="metrics",
        fields=frozenset(
            {
                *_COUNTS,
                "date",
                "hour",
                "totalDurationMs",
                "avgDurationMs",
                "histogram",
                "workflows",
                "others",
                "countedAt",
                "openUntil",
                "finalAt",
            }
        ),
        queryable=frozenset({"date"}),
        unindexed=("histogram", "workflows/*", "others/*"),
        column_limit=None,
        is_derived=True,
        check_body=_check_body,
        check_id=_check_id,
    )

    id: str
    date: str
    hour: int | None = Field(default=None, ge=0, le=23)
    total: PlausibleCounts
    workflows: dict[str, PlausibleCounts] = Field(default_factory=dict)
    others: PlausibleCounts | None = None
    counted_at: UtcTime
    open_until: UtcTime | None = None
    final_at: UtcTime | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        names = {*_COUNTS, "totalDurationMs", "histogram"}
        total = {name: record.body.get(name) for name in names}
        return {"scope": record.key.scope, "id": record.key.id, "total": {**total, "count": total["totalExecutions"]}}

    @property
    def start(self) -> datetime:
        """When the hour or day begins."""
        return start_of(self.id)


def totals_of(record: Record) -> PeriodMetrics:
    """Return the model of *record* without workflows and others, which are most of the work; its own record has them.

    Raises:
        CorruptDocumentError: The rest cannot be read.
    """
    model = PeriodMetrics.from_record(record.with_body({**record.body, "workflows": {}, "others": None}))
    return model._with(record)  # noqa: SLF001 - made here


def open_until_in(record: Record) -> datetime | None:
    """Return the `open_until` of a record that cannot be read as a whole; None where that cannot be read either."""
    try:
        return _TIME.validate_python(record.body.get("openUntil"))
    except ValidationError:
        return None


def metrics_body(
    record_id: str,
    total: RunCounts,
    workflows: Mapping[str, RunCounts],
    others: RunCounts | None,
    *,
    counted_at: str,
    open_until: str | None = None,
    final_at: str | None = None,
) -> Body:
    """Return the body of a record, with the averages that follow from it."""
    start = start_of(record_id)
    whole = _dump(total)
    return {
        **{name: whole[name] for name in _COUNTS if name != "totalExecutions"},
        "totalExecutions": total.count,
        "date": start.date().isoformat(),
        "hour": start.hour if "hourly-" in record_id else None,
        "totalDurationMs": total.total_duration_ms,
        "avgDurationMs": total.average_duration_ms,
        "histogram": whole["histogram"],
        "workflows": {name: _part(counts) for name, counts in workflows.items()},
        "others": None if others is None else _part(others),
        "countedAt": counted_at,
        "openUntil": open_until,
        "finalAt": final_at,
    }


def _dump(counts: RunCounts) -> Body:
    return {
        **counts.model_dump(by_alias=True),
        "avgDurationMs": counts.average_duration_ms,
        "histogram": pack_histogram(counts.histogram),
    }


def _part(counts: RunCounts) -> Body:
    """Return the same without what is 0 or nothing anyway."""
    return {name: value for name, value in _dump(counts).items() if value or name in _ALWAYS_TOLD}
