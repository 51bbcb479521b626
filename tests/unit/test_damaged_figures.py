"""Figures that are stored and cannot be: they are left out, whatever stands in them, and nothing that reads them fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, get_args

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.console.dashboards import shown_dashboard
from bifrost_store.console.failures import failing
from bifrost_store.core.clock import as_utc, format_time
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import SPECS, Execution
from bifrost_store.documents.metrics import DAY, HOUR, MAX_COUNT, PLATFORM, RunCounts, daily_id, hourly_id
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError
from bifrost_store.metrics.counting import add_up_stored
from bifrost_store.metrics.periods import day_of
from bifrost_store.protocols import Window
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.contract.metrics import comparing, ended, metrics_of, stored_in
from bifrost_store.testing.examples import ORGANIZATION, changed, execution
from bifrost_store.testing.model import ModelBackend
from bifrost_store.wrappers.checked import CheckedBackend
from tests.innermost import innermost

YESTERDAY: Final = START - DAY
PLACES: Final = [
    (scope, prefix + record_id)
    for scope, prefix in ((ORGANIZATION, ""), (GLOBAL, PLATFORM))
    for record_id in (hourly_id(START), daily_id(START))
]
_ABSURD: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [
        *(10**400, -(10**400), 10**4299, MAX_COUNT, MAX_COUNT + 1, 2**63, -1, 0, True, False),
        *(1.0, 1.5, -0.0, 1e308, float("nan"), float("inf"), -float("inf")),
        *("", "1", "1e400", "NaN", "16:-5", f"16:{10**400}", "17:1", f"{10**400}:1", "16:1;;", "16:", "x" * 300),
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00"),
        *(None, [], {}, [[]], {"16": 1}, {"16": -1}, {"a": {}}),
    ]
)
_FIELDS: Final = (
    *("totalExecutions", "successCount", "failedCount", "timeoutCount", "completedWithErrorsCount", "cancelledCount"),
    *("unreadableCount", "durationCount", "totalDurationMs", "avgDurationMs", "histogram"),
)
_WHOLE: Final = (*_FIELDS, "date", "hour", "workflows", "others", "countedAt", "openUntil", "finalAt")
_PART: Final = ("count", *_FIELDS[1:])


def spoilt(body: Body, whole: dict[str, Any], part: dict[str, Any]) -> Body:
    """Return *body* with *whole* in it, and with *part* in a workflow of it and in the others."""
    (workflow,) = body["workflows"].values()
    parts = {"workflows": {"nightly sync": {**workflow, **part}}, "others": {**workflow, **part}} if part else {}
    return {**body, **parts, **whole}


def store(clock: SettableClock) -> CheckedBackend:
    """Return an empty store."""
    return CheckedBackend(ModelBackend(clock=clock), SPECS)


async def damage(backend: CheckedBackend, place: tuple[Scope, str], change: Callable[[Body], Body]) -> Record:
    """Let a record be changed by somebody who does not ask what may stand in it; return what is read of it then."""
    key = Key("metrics", *place)
    record = await backend.get(key)
    assert record is not None
    await innermost(backend).replace(record.with_body(change(record.body)), record.etag)
    found = await backend.get(key)
    assert found is not None
    return found


async def figures_of_two_days(clock: SettableClock) -> CheckedBackend:
    """Return a store with figures of today and yesterday, of a scope and of the platform."""
    backend = store(clock)
    await create_all(backend, [ended(1, START), ended(2, YESTERDAY, status="Failed", workflowName="other")])
    await metrics_of(backend, clock).rebuild(ORGANIZATION)
    return backend


@given(
    whole=st.dictionaries(st.sampled_from(_WHOLE), _ABSURD, max_size=3),
    part=st.dictionaries(st.sampled_from(_PART), _ABSURD, max_size=3),
    place=st.sampled_from(PLACES),
)
def test_nothing_that_reads_figures_fails(whole: dict[str, Any], part: dict[str, Any], place: tuple[Scope, str]) -> None:
    """Every dashboard shows the other day, in JSON that every reader takes; rounds count on."""

    async def work() -> None:
        clock = SettableClock()
        backend = await figures_of_two_days(clock)
        metrics = metrics_of(backend, clock)
        await damage(backend, place, lambda body: spoilt(body, whole, part))
        for scope in (ORGANIZATION, None):
            for window in get_args(Window):
                shown = await metrics.dashboard(scope, window)
                json.dumps(shown_dashboard(shown), allow_nan=False)
                assert 1 <= shown.total.failed_count or window == "24h"
                assert "other" in shown.workflows or window == "24h"
                assert all(0 <= count <= MAX_COUNT for period in shown.series for count in period.workflows.values())
        assert [ORGANIZATION] == [*await failing(metrics.keeper(), YESTERDAY, START, 1)]
        await metrics.status()
        await comparing(backend, clock).compare(None, None)
        await metrics.rollup()
        await metrics.rebuild()
        clock.advance(days=3)
        await metrics.rollup()

    anyio.run(work)


@pytest.mark.parametrize("figure", [10**400, MAX_COUNT + 1, -1, True, 1.0, "1", float("nan"), None])
@pytest.mark.parametrize("is_part", [False, True])
def test_a_count_that_is_none_leaves_its_figures_out(figure: Any, is_part: bool) -> None:
    """What no store has, or is no whole number, is damaged: of a day as a whole, and of its workflows."""

    async def work() -> None:
        clock = SettableClock()
        backend = await figures_of_two_days(clock)
        whole, part = ({}, {"count": figure}) if is_part else ({"totalExecutions": figure}, {})
        await damage(backend, (ORGANIZATION, daily_id(START)), lambda body: spoilt(body, whole, part))
        shown = await metrics_of(backend, clock).dashboard(ORGANIZATION, "7d")
        assert (2 if is_part else 1, 1) == (shown.total.count, shown.total.failed_count)
        assert ["other"] == list(shown.workflows)
        assert {} == shown.series[-1].workflows

    anyio.run(work)


def test_damage_is_not_made_up_for_by_other_days() -> None:
    """A figure below zero is found though the sum is not, and one of many is found though each alone might be."""
    good, bad = RunCounts(count=10, histogram={16: 9}), {"count": -5}
    body = {"workflows": {"sync": {"count": 10, "histogram": "16:9"}}, "others": None}
    assert {"sync": good} == add_up_stored([body, {"workflows": {"sync": bad}, "others": None}])[0]
    most = {"workflows": {"sync": {"count": MAX_COUNT}}, "others": None}
    assert 2 * MAX_COUNT == add_up_stored([most, most])[0]["sync"].count


def test_runs_whose_durations_are_absurd_are_counted() -> None:
    """What they add up to is told as far as 64 bits go; it would be too long to be stored."""

    async def work() -> None:
        clock = SettableClock()
        backend = store(clock)
        await create_all(backend, [ended(number, START, durationMs=10**4300 - 1) for number in (1, 2)])
        metrics = metrics_of(backend, clock)
        await metrics.rebuild(ORGANIZATION)
        total = (await metrics.dashboard(ORGANIZATION, "24h")).total
        assert (2, 2**63 - 1) == (total.count, total.total_duration_ms)
        assert () == (await comparing(backend, clock).compare(ORGANIZATION, None)).differences

    anyio.run(work)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_that_utc_lacks_is_no_time(text: str) -> None:
    """Of any document: a field that cannot be read."""
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        as_utc(datetime.fromisoformat(text))
    with pytest.raises(CorruptDocumentError, match="startedAt"):
        Execution.from_record(changed(execution(1), startedAt=text))


LONG, SHORT = timedelta(days=30), timedelta(days=5)


@pytest.mark.parametrize(
    "spoilt", [{"countedAt": "x"}, {"totalDurationMs": None}, {"openUntil": 5}, {"openUntil": None, "date": 1}]
)
def test_an_unreadable_day_is_not_counted_again_once_its_runs_are_gone(spoilt: dict[str, Any]) -> None:
    """It was begun under a shorter retention than there is now, and stays as it is: what could be counted is too little."""

    async def work() -> None:
        clock = SettableClock()
        backend = store(clock)
        await create_all(backend, [ended(1, START, expires_at=START + SHORT), ended(2, START, expires_at=START + LONG)])
        await metrics_of(backend, clock, retention=SHORT).rebuild(ORGANIZATION)
        before = await damage(backend, (ORGANIZATION, daily_id(START)), lambda body: {**body, **spoilt})

        clock.now = day_of(START) + SHORT + HOUR
        metrics = metrics_of(backend, clock, retention=LONG)
        await metrics.rollup()
        await metrics.rebuild(ORGANIZATION)
        with pytest.raises(InvalidRequestError, match="frozen"):
            await metrics.rebuild(ORGANIZATION, day=START.date())
        assert before == await backend.get(before.key)
        assert () == (await comparing(backend, clock).compare(ORGANIZATION, None)).differences

    anyio.run(work)


def test_an_unreadable_day_is_counted_again_while_its_runs_are_there() -> None:
    """Under any retention all of them are there for two days."""

    async def work() -> None:
        clock = SettableClock()
        backend = await figures_of_two_days(clock)
        await damage(backend, (ORGANIZATION, daily_id(START)), lambda body: {**body, "openUntil": "x", "totalExecutions": 10**400})
        clock.now = day_of(START) + 2 * DAY - HOUR
        await metrics_of(backend, clock).rebuild(ORGANIZATION)
        stored = await stored_in(backend, daily_id(START))
        assert (1, format_time(day_of(START) + 2 * DAY)) == (stored["totalExecutions"], stored["openUntil"])

    anyio.run(work)
