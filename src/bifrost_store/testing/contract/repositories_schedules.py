"""Schedules, as `bifrost_store.protocols.Schedules` promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from bifrost_store.documents import Schedule
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    InvalidKeyError,
    InvalidRequestError,
    OutcomeUnknownError,
    PreconditionFailedError,
)
from bifrost_store.repositories.schedules import ScheduleRepository
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.harness import Fault, StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio

NAME = "nightly sync"
NEXT = START + timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


async def scheduled(repositories: Repositories, name: str = NAME, *, at: datetime = START, **more: Any) -> Schedule:
    """Store a schedule whose next run is due at START, if nothing else is asked for."""
    return await repositories.schedules.create(name, **{"cron_expression": "0 * * * *", "next_run_at": at, **more})


async def test_create_and_get(repositories: Repositories) -> None:
    """A schedule is found under its workflow's name as it was stored; there is one for each workflow."""
    created = await scheduled(repositories, at=NEXT, description="every hour – täglich")

    assert (created.workflow_name, created.description, created.cron_expression) == (NAME, "every hour – täglich", "0 * * * *")
    assert (created.next_run_at, created.last_run_at, created.last_execution_id) == (NEXT, None, None)
    assert (created.execution_count, created.created_at) == (0, START)
    assert await repositories.schedules.get(NAME) == created
    assert await repositories.schedules.get(NAME.upper()) is None
    with pytest.raises(DocumentExistsError):
        await scheduled(repositories)
    assert await repositories.schedules.get(NAME) == created


async def test_lists_are_in_the_order_of_next_runs(repositories: Repositories) -> None:
    """List and due come by next run, then name; due holds what is to run at the moment given or before, to the microsecond."""
    for name, at in (("c", NEXT), ("b", START), ("é", START - MICROSECOND), ("a", START), ("d", START + MICROSECOND)):
        await scheduled(repositories, name, at=at)

    assert [one.workflow_name for one in await repositories.schedules.list()] == ["é", "a", "b", "d", "c"]
    for moment, expected in (
        (START - 2 * MICROSECOND, []),
        (START - MICROSECOND, ["é"]),
        (START, ["é", "a", "b"]),
        (START.replace(tzinfo=None), ["é", "a", "b"]),
        (NEXT, ["é", "a", "b", "d", "c"]),
    ):
        assert [one.workflow_name for one in await repositories.schedules.due(moment)] == expected


@pytest.mark.parametrize("by_name", [False, True])
async def test_a_claim_takes_the_run(repositories: Repositories, by_name: bool) -> None:
    """The claimed run is counted and its time noted, and the next one is no longer due; a second claim gets nothing."""
    created = await scheduled(repositories, description="what it does")
    now = START + timedelta(minutes=3)
    claimed = await repositories.schedules.claim(NAME if by_name else created, now=now, next_run_at=NEXT, execution_id="e-1")

    assert claimed is not None
    assert (claimed.next_run_at, claimed.last_run_at, claimed.last_execution_id, claimed.execution_count) == (NEXT, now, "e-1", 1)
    assert (claimed.cron_expression, claimed.description, claimed.created_at) == ("0 * * * *", "what it does", START)
    assert await repositories.schedules.get(NAME) == claimed
    for again in (NAME, created, claimed):
        assert await repositories.schedules.claim(again, now=now, next_run_at=NEXT + timedelta(hours=1)) is None
    assert await repositories.schedules.get(NAME) == claimed
    following = await repositories.schedules.claim(claimed, now=NEXT, next_run_at=NEXT + timedelta(hours=1))
    assert following is not None
    assert (following.execution_count, following.last_run_at, following.last_execution_id) == (2, NEXT, None)


@pytest.mark.parametrize("by_name", [False, True])
async def test_one_claimer_wins(store: StoreUnderTest, repositories: Repositories, clock: SettableClock, by_name: bool) -> None:
    """Of many claims at the same time, through two handles, exactly one gets the run; the others get None, not an error."""
    created = await scheduled(repositories)
    async with store.open_another() as another:
        handles = (repositories.schedules, ScheduleRepository(another, clock=clock))
        outcomes = await at_once(
            20,
            lambda number: handles[number % 2].claim(
                NAME if by_name else created, now=START, next_run_at=NEXT + timedelta(seconds=number), execution_id=f"e-{number}"
            ),
        )

    winners = [outcome for outcome in outcomes if outcome is not None]
    assert len(winners) == 1
    assert isinstance(winners[0], Schedule)
    assert await repositories.schedules.get(NAME) == winners[0]
    assert winners[0].execution_count == 1


async def test_no_run_is_lost_or_run_twice(store: StoreUnderTest, repositories: Repositories, clock: SettableClock) -> None:
    """Over many runs with many claimers, each run has one: as many wins as runs were due."""
    await scheduled(repositories)
    async with store.open_another() as another:
        handles = (repositories.schedules, ScheduleRepository(another, clock=clock))
        for run in range(5):

            async def claim(number: int, now: datetime = START + timedelta(minutes=run)) -> Schedule | None:
                return await handles[number % 2].claim(NAME, now=now, next_run_at=now + timedelta(minutes=1))

            outcomes = await at_once(6, claim)
            assert [outcome for outcome in outcomes if outcome is None] == [None] * 5

    stored = await repositories.schedules.get(NAME)
    assert stored is not None
    assert stored.execution_count == 5


async def test_a_claim_is_of_the_run_that_the_model_shows(repositories: Repositories) -> None:
    """Given the model, the run that it shows is claimed, whatever else has changed since; a later run, though due, is not."""
    created = await scheduled(repositories)
    await repositories.schedules.update(NAME, description="changed meanwhile")
    late = NEXT + timedelta(hours=5)
    claimed = await repositories.schedules.claim(created, now=START, next_run_at=NEXT)
    assert claimed is not None
    assert claimed.description == "changed meanwhile"

    assert await repositories.schedules.claim(created, now=late, next_run_at=late + timedelta(hours=1)) is None
    assert await repositories.schedules.claim(NAME, now=late, next_run_at=late + timedelta(hours=1)) is not None


async def test_nothing_to_claim(repositories: Repositories) -> None:
    """A schedule that is not due, was deleted, or never was, gives None and stays as it is."""
    later = await scheduled(repositories, at=START + MICROSECOND)
    gone = await scheduled(repositories, "gone")
    await repositories.schedules.delete("gone")

    for schedule in (later, NAME, gone, "gone", "never was"):
        assert await repositories.schedules.claim(schedule, now=START, next_run_at=NEXT) is None
    assert await repositories.schedules.get(NAME) == later
    assert await repositories.schedules.get("gone") is None


@pytest.mark.parametrize("by_name", [False, True])
async def test_a_lost_answer_is_settled(
    store: StoreUnderTest, repositories: Repositories, clock: SettableClock, passing_fault: Fault, by_name: bool
) -> None:
    """Where the answer to a claim is lost, or its refusal was false, the caller has the run, once."""
    created = await scheduled(repositories)
    async with store.open_broken(passing_fault) as broken:
        schedules = ScheduleRepository(broken, clock=clock)
        claimed = await schedules.claim(NAME if by_name else created, now=START, next_run_at=NEXT)

    assert claimed is not None
    assert await repositories.schedules.get(NAME) == claimed
    assert claimed.execution_count == 1
    assert await repositories.schedules.claim(NAME, now=START, next_run_at=NEXT) is None


async def test_lost_answers_among_many_claimers(
    store: StoreUnderTest, repositories: Repositories, clock: SettableClock, passing_fault: Fault
) -> None:
    """Also beside other claimers a lost answer makes no second winner, and at most one outcome that cannot be told."""
    await scheduled(repositories)
    async with store.open_broken(passing_fault) as broken:
        handles = (ScheduleRepository(broken, clock=clock), repositories.schedules)
        outcomes = await at_once(
            6, lambda number: handles[number % 2].claim(NAME, now=START, next_run_at=NEXT + timedelta(seconds=number))
        )

    winners = [outcome for outcome in outcomes if isinstance(outcome, Schedule)]
    unknown = [outcome for outcome in outcomes if isinstance(outcome, OutcomeUnknownError)]
    assert (len(winners), len(unknown)) in ((1, 0), (0, 1))
    assert [outcome for outcome in outcomes if outcome is None] == [None] * 5
    stored = await repositories.schedules.get(NAME)
    assert stored is not None
    assert stored.execution_count == 1


async def test_the_execution_is_noted(repositories: Repositories) -> None:
    """record_run notes the run's execution, as often as it is called; it does not write over a later run's."""
    await scheduled(repositories)
    first = await repositories.schedules.claim(NAME, now=START, next_run_at=NEXT)
    assert first is not None
    noted = await repositories.schedules.record_run(first, "e-1")
    assert (noted.last_execution_id, noted.next_run_at, noted.execution_count) == ("e-1", NEXT, 1)
    assert await repositories.schedules.record_run(first, "e-1") == noted
    second = await repositories.schedules.claim(noted, now=NEXT, next_run_at=NEXT + timedelta(hours=1), execution_id="e-2")

    assert await repositories.schedules.record_run(first, "e-1") == second
    await repositories.schedules.delete(NAME)
    with pytest.raises(DocumentNotFoundError):
        await repositories.schedules.record_run(first, "e-1")


async def test_updates(repositories: Repositories) -> None:
    """Update changes the given fields alone; an expression comes with its next run; an etag is a precondition."""
    created = await scheduled(repositories, description="old")
    moved = await repositories.schedules.update(NAME, cron_expression="0 6 * * 1", next_run_at=NEXT)
    cleared = await repositories.schedules.update(NAME, description=None, etag=moved.etag)

    assert (moved.cron_expression, moved.next_run_at, moved.description) == ("0 6 * * 1", NEXT, "old")
    assert (cleared.cron_expression, cleared.next_run_at, cleared.description) == ("0 6 * * 1", NEXT, None)
    assert await repositories.schedules.update(NAME) == cleared
    with pytest.raises(PreconditionFailedError):
        await repositories.schedules.update(NAME, description="x", etag=created.etag)
    with pytest.raises(PreconditionFailedError):
        await repositories.schedules.delete(NAME, etag=created.etag)
    with pytest.raises(InvalidRequestError, match="next_run_at"):
        await repositories.schedules.update(NAME, cron_expression="* * * * *")
    assert await repositories.schedules.delete(NAME, etag=cleared.etag) is True
    assert await repositories.schedules.delete(NAME) is False
    with pytest.raises(DocumentNotFoundError):
        await repositories.schedules.update(NAME, description="x")


@given(name=strategies.identifiers, text=strategies.texts)
async def test_any_workflow_name(repositories: Repositories, name: str, text: str) -> None:
    """A workflow's name may hold anything: its schedule is stored, listed, claimed and deleted under exactly that."""
    try:
        created = await scheduled(repositories, name, description=text)
        assert (created.workflow_name, created.description) == (name, text)
        assert list(await repositories.schedules.due(START)) == [created]
        claimed = await repositories.schedules.claim(name, now=START, next_run_at=NEXT, execution_id=name)
        assert claimed is not None
        assert (await repositories.schedules.get(name), claimed.last_execution_id) == (claimed, name)
    finally:
        assert await repositories.schedules.delete(name) is True


@pytest.mark.parametrize(
    ("name", "arguments", "expected", "named"),
    [
        ("", {}, InvalidKeyError, "workflow_name"),
        (None, {}, InvalidKeyError, "workflow_name"),
        ("x" * 129, {}, InvalidKeyError, "workflow_name"),
        (NAME, {"cron_expression": ""}, InvalidRequestError, "cron_expression"),
        (NAME, {"cron_expression": None}, InvalidRequestError, "cron_expression"),
        (NAME, {"next_run_at": "tomorrow"}, InvalidRequestError, "next_run_at"),
        (NAME, {"next_run_at": None}, InvalidRequestError, "next_run_at"),
        (NAME, {"description": 1}, InvalidRequestError, "description"),
        (NAME, {"description": "x" * 32_769}, InvalidRequestError, "description"),
    ],
)
async def test_bad_arguments(
    store: StoreUnderTest, repositories: Repositories, name: Any, arguments: Any, expected: type[Exception], named: str
) -> None:
    """What cannot be is refused before anything is written, and named."""
    with pytest.raises(expected, match=named):
        await scheduled(repositories, name, **arguments)
    assert await everything(store.backend) == {}


async def test_bad_claims(repositories: Repositories) -> None:
    """A claim that would leave the run due, or that names no schedule, is refused and takes nothing."""
    created = await scheduled(repositories)
    bad: list[tuple[Any, dict[str, Any]]] = [
        (created, {"next_run_at": START}),
        (created, {"next_run_at": START - MICROSECOND}),
        (created, {"next_run_at": None}),
        (created, {"now": None}),
        (created, {"execution_id": ""}),
        (created, {"now": datetime.max.replace(tzinfo=UTC), "next_run_at": datetime.max.replace(tzinfo=UTC)}),
        ("", {}),
        (5, {}),
    ]
    for schedule, arguments in bad:
        with pytest.raises(InvalidRequestError):
            await repositories.schedules.claim(schedule, **{"now": START, "next_run_at": NEXT, **arguments})
    with pytest.raises(InvalidRequestError):
        await repositories.schedules.due(datetime.max.replace(tzinfo=UTC))
    assert await repositories.schedules.get(NAME) == created
