"""Figures over runs that ended, as `bifrost_store.protocols.Metrics` promises."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import format_time
from bifrost_store.core.histogram import bucket_of
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents.metrics import DAY, HOUR, daily_id, hourly_id
from bifrost_store.errors import ConfigurationError, InvalidKeyError, InvalidRequestError
from bifrost_store.metrics.comparing import Comparing
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import OpenDays
from bifrost_store.metrics.service import StoreMetrics
from bifrost_store.protocols import Window
from bifrost_store.routing.flag import MetricsMode
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, changed, execution, organization

pytestmark = pytest.mark.anyio

RETENTION = timedelta(days=5)
WINDOWS_SHOWN: tuple[Window, ...] = ("24h", "7d")
TODAY = datetime(2025, 11, 14, tzinfo=UTC)


def metrics_of(
    backend: Backend, clock: SettableClock, mode: MetricsMode = "aggregated", retention: timedelta | None = RETENTION
) -> StoreMetrics:
    """Return the metrics of a store over *backend*."""

    async def mode_of(scope: Scope) -> MetricsMode:
        return mode

    return StoreMetrics(backend, clock=clock, retention=retention, mode_of=mode_of)


def ended(number: int, ended_at: datetime, *, status: str = "Success", **fields: Any) -> Record:
    """Return a run that ended then, after a second."""
    fields = {"durationMs": 1000, **fields}
    started_at = ended_at - timedelta(seconds=1)
    return execution(number, started_at=started_at, completedAt=format_time(ended_at), status=status, **fields)


async def at_once(seconds: float) -> None:
    """Wait for nobody."""


def comparing(backend: Backend, clock: SettableClock) -> Comparing:
    """Return what compares without waiting."""
    return Comparing(backend, Keeper(backend, OpenDays(RETENTION), clock), clock, sleep=at_once)


async def stored_in(backend: Backend, record_id: str, scope: Scope = ORGANIZATION) -> Any:
    """Return a body that is stored."""
    record = await backend.get(Key("metrics", scope, record_id))
    return None if record is None else record.body


async def test_every_final_status_is_counted_and_no_other(backend: Backend, clock: SettableClock) -> None:
    """Runs that ended count by status and duration in the hour and on the day of their end; runs that go on do not."""
    statuses = ["Success", "Success", "Failed", "Timeout", "CompletedWithErrors", "Cancelled", "Running", "Pending", "Cancelling"]
    durations = [1000, 17, None, 0, 5, None, None, None, None]
    await create_all(
        backend,
        [
            ended(number, START - timedelta(minutes=number), status=status, durationMs=duration)
            for number, (status, duration) in enumerate(zip(statuses, durations, strict=True), start=1)
        ],
    )
    metrics = metrics_of(backend, clock)
    await metrics.rebuild(ORGANIZATION)

    hour, day = await stored_in(backend, hourly_id(START - HOUR)), await stored_in(backend, daily_id(START))
    names = ["totalExecutions", "successCount", "failedCount", "timeoutCount", "completedWithErrorsCount", "cancelledCount"]
    names += ["durationCount", "totalDurationMs"]
    assert [6, 2, 1, 1, 1, 1, 4, 1022] == [hour[name] for name in names] == [day[name] for name in names]
    assert (256, "2025-11-14", 11, None) == (hour["avgDurationMs"], day["date"], hour["hour"], day["hour"])
    assert f"0:1 0 0 0 0 1;16:1;{bucket_of(1000)}:1" == hour["histogram"] == day["histogram"]
    assert ("2", 2) == (str(hour["workflows"]["nightly sync"]["successCount"]), day["workflows"]["nightly sync"]["successCount"])


async def test_an_hour_begins_with_its_first_microsecond(backend: Backend, clock: SettableClock) -> None:
    """A run that ends at midnight counts on the day that begins, one that ends a microsecond before on the day that ends."""
    midnight, edge = TODAY, timedelta(microseconds=1)
    ends = [midnight - edge, midnight, midnight + HOUR - edge, midnight + HOUR, midnight - timedelta(seconds=1)]
    await create_all(backend, [ended(number, end) for number, end in enumerate(ends)])
    metrics = metrics_of(backend, clock)
    await metrics.rebuild(ORGANIZATION)
    shown = await metrics.dashboard(ORGANIZATION, "24h")

    counts = {period.start: period.counts.count for period in shown.series if period.counts.count}
    assert {midnight - HOUR: 2, midnight: 2, midnight + HOUR: 1} == counts
    days = await metrics.dashboard(ORGANIZATION, "7d")
    assert [2, 3] == [period.counts.count for period in days.series[-2:]]


async def test_a_dashboard_is_the_same_live(backend: Backend, clock: SettableClock) -> None:
    """What is read from figures that were counted before is what is counted now, of a scope and of the platform."""
    scopes, statuses = (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION), ("Success", "Failed", "Timeout")
    await create_all(backend, [organization("o-1"), organization("o-2")])
    runs = [
        ended(
            n,
            START - timedelta(hours=n * 5 % 50),
            scope=scopes[n % 3],
            status=statuses[n % 3],
            durationMs=n * 40,
            workflowName=f"w-{n % 4}",
        )
        for n in range(30)
    ]
    for scope in scopes:
        await create_all(backend, [run for run in runs if run.key.scope == scope])
    await metrics_of(backend, clock).rebuild()

    shown_to: tuple[Scope | None, ...] = (ORGANIZATION, GLOBAL, None)
    for whose in shown_to:
        for window in WINDOWS_SHOWN:
            shown = await metrics_of(backend, clock).dashboard(whose, window)
            counted = await metrics_of(backend, clock, "live").dashboard(whose, window)
            assert counted.total == shown.total
            assert counted.workflows == shown.workflows
            assert [period.counts for period in counted.series[-4:]] == [period.counts for period in shown.series[-4:]]
            assert (counted.p95_ms, counted.failures, counted.success_rate) == (shown.p95_ms, shown.failures, shown.success_rate)
    assert 30 == (await metrics_of(backend, clock).dashboard(None, "7d")).total.count


async def test_90_days_and_those_before(backend: Backend, clock: SettableClock) -> None:
    """The longest window has workflows and periods of its own days alone, and the totals of the 90 days before."""
    metrics = metrics_of(backend, clock, retention=None)
    for number, days in enumerate((0, 89, 90, 179)):
        clock.now = START + days * DAY
        await create_all(backend, [ended(number, clock.now, workflowName=f"w-{number}", durationMs=number)])
        await metrics.rebuild(ORGANIZATION, day=clock.now.date())
    shown = await metrics.dashboard(ORGANIZATION, "90d")

    assert ({0: 1, 1: 1}, {2: 1, 3: 1}) == (shown.before.histogram, shown.total.histogram)
    assert (2, 2, None) == (shown.before.count, shown.before.success_count, shown.change)
    assert {"w-2": 1, "w-3": 1} == {name: counts.count for name, counts in shown.workflows.items()}
    first, last = shown.series[0], shown.series[-1]
    assert [(1, {"w-2": 1}), (1, {"w-3": 1})] == [(one.counts.count, one.workflows) for one in (first, last)]
    assert (TODAY + 90 * DAY, 90) == (first.start, len(shown.series))


@pytest.mark.parametrize("damaged", [{"countedAt": "x"}, {"totalDurationMs": None}, {"workflows": [1]}, {"others": 5}])
async def test_damaged_figures_hide_no_others(backend: Backend, clock: SettableClock, damaged: dict[str, Any]) -> None:
    """An hour and a day that cannot be read take no others from a dashboard; counted again they are right, frozen they stay."""
    runs = await create_all(backend, [ended(1, START), ended(2, START - DAY)])
    metrics = metrics_of(backend, clock)
    await metrics.rebuild(ORGANIZATION)
    for record_id in (hourly_id(START), daily_id(START)):
        record = await backend.get(Key("metrics", ORGANIZATION, record_id))
        assert record is not None
        await backend.replace(changed(record, **damaged), record.etag)
    is_unreadable = not damaged.keys() <= {"workflows", "others"}
    assert (1 if is_unreadable else 2) == (await metrics.dashboard(ORGANIZATION, "7d")).total.count
    await metrics.dashboard(ORGANIZATION, "24h")
    clock.now = TODAY + RETENTION
    before = await backend.get(Key("metrics", ORGANIZATION, daily_id(START)))
    await metrics.rollup()
    assert before == await backend.get(Key("metrics", ORGANIZATION, daily_id(START)))

    clock.now = START
    await metrics.rebuild(ORGANIZATION)
    assert len(runs) == (await metrics.dashboard(ORGANIZATION, "7d")).total.count
    assert ["nightly sync"] == list((await metrics.dashboard(ORGANIZATION, "24h")).workflows)


async def test_what_is_corrected_or_deleted_is_counted_anew(backend: Backend, clock: SettableClock) -> None:
    """After a correction and a deletion the next count tells what is there; nothing is left of what was."""
    await create_all(backend, [organization("o-1")])
    first, second = await create_all(backend, [ended(1, START - HOUR), ended(2, START - HOUR)])
    metrics = metrics_of(backend, clock)
    await metrics.rollup()
    await backend.replace(changed(first, status="Failed", durationMs=5), first.etag)
    await backend.delete(second.key)
    await metrics.rollup()

    total = (await metrics.dashboard(ORGANIZATION, "24h")).total
    assert (1, 0, 1, 5, {5: 1}) == (
        total.count,
        total.success_count,
        total.failed_count,
        total.total_duration_ms,
        total.histogram,
    )


async def test_a_rollup_finds_late_changes(backend: Backend, clock: SettableClock) -> None:
    """A run of the day before yesterday that comes late, and a day that nobody ever counted, are found without a feed."""
    await create_all(backend, [organization("o-1")])
    metrics = metrics_of(backend, clock)
    await metrics.rollup()
    await create_all(backend, [ended(1, START - 2 * DAY), ended(2, START)])
    done = await metrics.rollup()

    shown = await metrics.dashboard(ORGANIZATION, "7d")
    assert [1, 0, 1] == [period.counts.count for period in shown.series[-3:]]
    assert ["absent"] * 3 + ["open"] * 4 == [period.state for period in shown.series]
    assert done.hours > 0


async def test_days_end_frozen(backend: Backend, clock: SettableClock) -> None:
    """A day that was finished in time never changes again, and stays when its runs are gone."""
    await create_all(backend, [organization("o-1")])
    (run,) = await create_all(backend, [ended(1, START)])
    metrics = metrics_of(backend, clock)
    await metrics.rollup()
    clock.now = TODAY + RETENTION - DAY - timedelta(seconds=1)
    done = await metrics.rollup()
    clock.now += timedelta(seconds=1)
    before = await backend.get(Key("metrics", ORGANIZATION, daily_id(START)))
    await backend.delete(run.key)
    await metrics.rollup()
    with pytest.raises(InvalidRequestError, match="frozen"):
        await metrics.rebuild(ORGANIZATION, day=TODAY.date())

    assert before == await backend.get(Key("metrics", ORGANIZATION, daily_id(START)))
    shown = await metrics.dashboard(ORGANIZATION, "7d")
    assert ("frozen", 1) == (shown.series[2].state, shown.series[2].counts.count)
    platform = await metrics.dashboard(None, "7d")
    assert ("frozen", 1) == (platform.series[2].state, platform.series[2].counts.count)
    assert done.finished >= 1
    assert f"{ORGANIZATION} 2025-11-14" not in done.incomplete


async def test_a_day_that_was_not_finished_in_time_is_incomplete(backend: Backend, clock: SettableClock) -> None:
    """Where nobody counted for too long, the day is named and shown as incomplete, and the dashboard is not exact."""
    await create_all(backend, [organization("o-1")])
    await create_all(backend, [ended(1, START)])
    metrics = metrics_of(backend, clock)
    await metrics.rollup()
    clock.now = TODAY + RETENTION
    done = await metrics.rollup()
    shown = await metrics.dashboard(ORGANIZATION, "7d")

    assert f"{ORGANIZATION} 2025-11-14" in done.incomplete
    assert ("incomplete", 1, False) == (shown.series[1].state, shown.series[1].counts.count, shown.is_exact)
    assert shown.change is None
    (status,) = [one for one in await metrics.status() if one.scope == ORGANIZATION]
    assert TODAY.date() in status.incomplete


async def test_a_day_keeps_the_retention_that_it_began_under(backend: Backend, clock: SettableClock) -> None:
    """A longer retention opens no day again whose runs have ended by the shorter one."""
    await create_all(backend, [ended(1, START)])
    await metrics_of(backend, clock).rebuild(ORGANIZATION)
    clock.now = TODAY + RETENTION
    longer = metrics_of(backend, clock, retention=timedelta(days=8))
    before = await stored_in(backend, daily_id(START))
    await longer.rebuild(ORGANIZATION)

    assert before == await stored_in(backend, daily_id(START))


async def test_many_workflows(backend: Backend, clock: SettableClock) -> None:
    """The 50 workflows with most runs are told by name, the others together; what is told in all is exact."""
    names = [f"w-{number:02}" for number in range(53)] + ["busy"] * 3 + ["x" * 201]
    await create_all(backend, [ended(n, START - timedelta(minutes=1), workflowName=name) for n, name in enumerate(names)])
    metrics = metrics_of(backend, clock)
    await metrics.rebuild(ORGANIZATION)
    shown = await metrics.dashboard(ORGANIZATION, "24h")

    assert (50, "busy", 3) == (len(shown.workflows), next(iter(shown.workflows)), shown.workflows["busy"].count)
    assert (57, 5) == (shown.total.count, shown.others.count)


async def test_a_strange_status_is_counted_apart(backend: Backend, clock: SettableClock) -> None:
    """A run whose status is none is counted, told apart, and named."""
    await create_all(backend, [ended(1, START), ended(2, START, status="Stuck")])
    done = await metrics_of(backend, clock).rebuild(ORGANIZATION)
    total = (await metrics_of(backend, clock).dashboard(ORGANIZATION, "24h")).total

    assert (2, 1, 1) == (total.count, total.success_count, total.unreadable_count)
    assert any("e-2" in line for line in done.unreadable)


async def test_counting_at_the_same_time(backend: Backend, clock: SettableClock) -> None:
    """However many count while runs end, the last one to write has counted last."""
    metrics = metrics_of(backend, clock)

    async def end(number: int) -> None:
        await create_all(backend, [ended(number, START - timedelta(minutes=number))])
        await metrics.keeper().count_day(ORGANIZATION, TODAY, [START - HOUR])

    await asyncio.gather(*map(end, range(1, 6)))

    assert 5 == (await stored_in(backend, hourly_id(START - HOUR)))["totalExecutions"]
    assert 5 == (await stored_in(backend, daily_id(START)))["totalExecutions"]


async def test_compare_names_what_was_planted(backend: Backend, clock: SettableClock) -> None:
    """Where nothing differs nothing is named; a figure of an hour, a day or the platform that is changed by hand is."""
    await create_all(backend, [organization("o-1")])
    await create_all(backend, [ended(1, START), ended(2, START)])
    await metrics_of(backend, clock).rebuild()
    assert () == (await comparing(backend, clock).compare(None, None)).differences
    planted: Sequence[tuple[Scope, str, str]] = [
        (ORGANIZATION, hourly_id(START), "successCount"),
        (ORGANIZATION, daily_id(START), "durationCount"),
        (GLOBAL, "platform-" + daily_id(START), "totalDurationMs"),
    ]
    for scope, record_id, name in planted:
        record = await backend.get(Key("metrics", scope, record_id))
        assert record is not None
        await backend.replace(changed(record, **{name: record.body[name] + 1}), record.etag)
    found = (await comparing(backend, clock).compare(None, 1)).differences

    named = {(one.scope, one.id, one.field) for one in found}
    assert {
        (ORGANIZATION, hourly_id(START), "success_count"),
        (ORGANIZATION, daily_id(START), "duration_count"),
        (GLOBAL, "platform-" + daily_id(START), "total_duration_ms"),
    } <= named


async def test_hours_are_purged(backend: Backend, clock: SettableClock) -> None:
    """Hours are gone after 90 days, days stay."""
    await create_all(backend, [ended(1, START)])
    metrics = metrics_of(backend, clock)
    await metrics.rebuild(ORGANIZATION)
    clock.advance(days=91)

    assert await stored_in(backend, hourly_id(START)) is None
    assert await metrics.purge_expired() > 0
    assert 1 == (await stored_in(backend, daily_id(START)))["totalExecutions"]


async def test_bad_input(backend: Backend, clock: SettableClock) -> None:
    """Unknown windows, scopes without runs, days to come and too short a retention are refused, and nothing is written."""
    metrics = metrics_of(backend, clock)
    for window in ("1d", "", "24H", None):
        with pytest.raises(InvalidRequestError, match="window"):
            await metrics.dashboard(ORGANIZATION, window)  # type: ignore[arg-type]
    with pytest.raises(InvalidKeyError):
        await metrics.dashboard(SYSTEM, "24h")
    with pytest.raises(InvalidRequestError, match="not begun"):
        await metrics.rebuild(day=(TODAY + DAY).date())
    with pytest.raises(InvalidRequestError, match="day: must be a date, not str"):
        await metrics.rebuild(day="2025-11-14")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="days"):
        await metrics.compare(days=0)
    with pytest.raises(ConfigurationError, match="3 days or more, not 2"):
        await metrics_of(backend, clock, retention=timedelta(days=2)).rebuild()

    assert await stored_in(backend, daily_id(START)) is None
