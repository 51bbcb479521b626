"""Audit events, as `bifrost_store.protocols.AuditEvents` promises."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents import AuditEvent, AuditEventType
from bifrost_store.errors import InvalidContinuationTokenError, InvalidKeyError, InvalidRequestError
from bifrost_store.repositories.audit import AuditRepository
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION
from bifrost_store.testing.harness import Fault, StoreUnderTest
from bifrost_store.testing.repositories import Repositories
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio

MIDNIGHT = datetime(2025, 11, 14, tzinfo=UTC)
SINCE = START - timedelta(days=3)
MILLISECOND = timedelta(milliseconds=1)
KIND = AuditEventType.CROSS_ORG_ACCESS


async def appended(repositories: Repositories, at: datetime | None = None, scope: Scope = ORGANIZATION, **more: Any) -> AuditEvent:
    """Add an event."""
    return await repositories.audit.append(scope, **{"event_type": KIND, "at": at, **more})


async def ids(repositories: Repositories, scope: Scope = ORGANIZATION, *, limit: int = 100, **window: Any) -> list[str]:
    """Return the ids of a whole list, read in pages; all but the last must be full."""
    found: list[str] = []
    token = None
    while True:
        page = await repositories.audit.list(scope, **{"since": SINCE, "limit": limit, "continuation_token": token, **window})
        found += [event.id for event in page]
        if (token := page.continuation_token) is None:
            return found
        assert len(page) == limit


async def test_an_event_comes_back(repositories: Repositories) -> None:
    """Append returns what list finds: every field, the time to the millisecond, and the organization it concerned."""
    at = START + timedelta(microseconds=1_999)
    event = await repositories.audit.append(
        ORGANIZATION,
        AuditEventType.FUNCTION_KEY_ACCESS,
        at=at,
        key_id="default",
        key_name="Default",
        endpoint="/api/workflows/ticket_triage",
        method="POST",
        remote_addr="10.1.2.3",
        user_agent="curl/8.5",
        status_code=401,
        details={"reason": "prüfen", "n": 3},
    )

    assert re.fullmatch(r"[0-9]{13}_[0-9a-f]{32}", event.id)
    assert (event.scope, event.org_id, event.event_type) == (ORGANIZATION, "o-1", "function_key_access")
    assert event.timestamp == START + MILLISECOND
    assert (event.key_id, event.key_name, event.user_id, event.status_code) == ("default", "Default", None, 401)
    assert (event.endpoint, event.method) == ("/api/workflows/ticket_triage", "POST")
    assert (event.remote_addr, event.user_agent, event.details) == ("10.1.2.3", "curl/8.5", {"reason": "prüfen", "n": 3})
    assert list(await repositories.audit.list(ORGANIZATION, since=SINCE)) == [event]
    violation = await repositories.audit.append(
        GLOBAL, "engine_violation_attempt", blocked_module="shared.storage", workspace_file="workflows/x.py", details=["x.py:3"]
    )
    assert (violation.timestamp, violation.org_id, violation.details) == (START, "GLOBAL", ["x.py:3"])
    assert list(await repositories.audit.list(GLOBAL, since=SINCE)) == [violation]


async def test_events_are_not_changed_by_repeating(repositories: Repositories) -> None:
    """Every append adds an event of its own, also within one millisecond and at the same time."""
    outcomes = await at_once(12, lambda _: appended(repositories))

    events = [outcome for outcome in outcomes if isinstance(outcome, AuditEvent)]
    assert sorted(event.id for event in events) == await ids(repositories)
    assert len({event.id for event in events}) == 12


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_pages_go_on_across_midnight(repositories: Repositories, limit: int) -> None:
    """Newest first, page by page over days with and without events, and over many events of one millisecond."""
    moments = [MIDNIGHT + offset * MILLISECOND for offset in (-1, 0, 0, 0, 1, 43_200_000)]
    moments += [MIDNIGHT - timedelta(days=2), MIDNIGHT - timedelta(days=2) + MILLISECOND]
    events = [await appended(repositories, at) for at in moments]
    for scope in (GLOBAL, OTHER_ORGANIZATION):
        await appended(repositories, MIDNIGHT, scope)

    expected = sorted(events, key=lambda event: (-event.timestamp.timestamp(), event.id))
    assert await ids(repositories, limit=limit) == [event.id for event in expected]


async def test_the_window_is_exact(repositories: Repositories) -> None:
    """``since`` is in, ``until`` is out; both to the microsecond, while events are kept to the millisecond."""
    early, late = [await appended(repositories, MIDNIGHT + offset * MILLISECOND) for offset in (0, 1)]
    microsecond = timedelta(microseconds=1)

    for since, until, expected in (
        (MIDNIGHT, MIDNIGHT + 2 * MILLISECOND, [late, early]),
        (MIDNIGHT, MIDNIGHT + MILLISECOND, [early]),
        (MIDNIGHT, MIDNIGHT + MILLISECOND + microsecond, [late, early]),
        (MIDNIGHT + microsecond, MIDNIGHT + timedelta(days=1), [late]),
        (MIDNIGHT + MILLISECOND, MIDNIGHT + timedelta(days=1), [late]),
        (MIDNIGHT + MILLISECOND + microsecond, MIDNIGHT + timedelta(days=1), []),
        (MIDNIGHT - timedelta(days=1), MIDNIGHT, []),
        (MIDNIGHT, MIDNIGHT, []),
        (MIDNIGHT + timedelta(days=1), MIDNIGHT, []),
        (MIDNIGHT.replace(tzinfo=None), MIDNIGHT.replace(tzinfo=None) + microsecond, [early]),
    ):
        assert await ids(repositories, since=since, until=until) == [event.id for event in expected], (since, until)
        across = await repositories.audit.list_all(since=since, until=until)
        assert list(across) == expected


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2286, 11, 20, 17, 46, 39, 999_000, tzinfo=UTC)])
async def test_the_ends_of_time(repositories: Repositories, moment: datetime) -> None:
    """The first and the last moment that have a place in the order are found; beyond them there is nothing."""
    event = await appended(repositories, moment)
    wide: dict[str, Any] = {"since": moment - timedelta(days=100), "until": moment + timedelta(days=100)}

    assert event.timestamp == moment
    assert await ids(repositories, **wide) == [event.id]
    assert await ids(repositories, since=moment - timedelta(days=100), until=moment) == []
    assert await ids(repositories, since=moment + MILLISECOND, until=moment + timedelta(days=1)) == []


async def test_without_an_end_today_is_the_last_day(repositories: Repositories, clock: SettableClock) -> None:
    """Without ``until`` a list goes to the end of the present UTC day, and its pages go on although midnight passes."""
    events = [await appended(repositories, START + timedelta(hours=number)) for number in (1, -1, -14, -40)]
    tomorrow = await appended(repositories, START + timedelta(hours=12))
    first = await repositories.audit.list(ORGANIZATION, since=SINCE, limit=2)
    clock.advance(days=1)
    token = first.continuation_token
    rest = await repositories.audit.list(ORGANIZATION, since=SINCE, limit=500, continuation_token=token)

    assert [*first, *rest] == events
    assert await ids(repositories) == [tomorrow.id, *(event.id for event in events)]
    assert [event.id for event in await repositories.audit.list_all(since=SINCE)] == await ids(repositories)


async def test_pages_are_stable_while_others_append(repositories: Repositories) -> None:
    """What was there throughout is met exactly once, whatever is added before, at and after the position meanwhile."""
    there = [await appended(repositories, START - number * timedelta(hours=7)) for number in range(6)]
    seen: list[str] = []
    token = None
    while True:
        page = await repositories.audit.list(ORGANIZATION, since=SINCE, limit=2, continuation_token=token)
        seen += [event.id for event in page]
        for moment in (START + MILLISECOND, page[-1].timestamp, page[-1].timestamp - timedelta(hours=1)):
            if len(seen) < 12:
                await appended(repositories, moment)
        if (token := page.continuation_token) is None:
            break

    assert len(seen) == len(set(seen))
    assert [one for one in seen if one in {event.id for event in there}] == [event.id for event in there]


async def test_by_type(repositories: Repositories) -> None:
    """A list of one type holds exactly that; types that the platform does not know are as good as others."""
    kinds = ["function_key_access", "own.event/é", "function_key_access", "own.event", "FUNCTION_KEY_ACCESS"]
    events = [
        await appended(repositories, START - number * timedelta(hours=9), event_type=kind) for number, kind in enumerate(kinds)
    ]

    assert await ids(repositories, event_type=AuditEventType.FUNCTION_KEY_ACCESS, limit=1) == [events[0].id, events[2].id]
    for number in (1, 3, 4):
        assert await ids(repositories, event_type=kinds[number]) == [events[number].id]
        found = await repositories.audit.list_all(since=SINCE, event_type=kinds[number])
        assert list(found) == [events[number]]
    assert await ids(repositories, event_type="own") == []


async def test_every_scope(repositories: Repositories) -> None:
    """list_all joins the scopes, newest first; a scope's list never holds another's."""
    scopes = (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION, Scope.organization("o-12"), GLOBAL, ORGANIZATION)
    events = [await appended(repositories, START - number * timedelta(hours=11), scope) for number, scope in enumerate(scopes)]

    assert list(await repositories.audit.list_all(since=SINCE)) == events
    for scope in set(scopes):
        assert await ids(repositories, scope) == [event.id for event in events if event.scope == scope]


async def test_tokens_belong_to_their_list(repositories: Repositories) -> None:
    """A token that was altered, or comes from another scope, window or type, is refused."""
    for number in range(3):
        await appended(repositories, START - number * timedelta(hours=20))
    until = START + timedelta(days=1)
    open_end = (await repositories.audit.list(ORGANIZATION, since=SINCE, limit=1)).continuation_token
    bounded = (await repositories.audit.list(ORGANIZATION, since=SINCE, until=until, limit=1)).continuation_token
    assert open_end is not None
    assert bounded is not None
    altered = [open_end[:i] + ("3" if open_end[i] != "3" else "4") + open_end[i + 1 :] for i in range(len(open_end) - 1)]
    calls: list[tuple[str, dict[str, Any]]] = [
        *((token, {}) for token in (*altered, "", ".", "x", "9999-12-31.", f"9999-12-31{open_end[10:]}", bounded, open_end[11:])),
        (open_end, {"since": SINCE - timedelta(days=1)}),
        (open_end, {"event_type": KIND}),
        (open_end, {"until": until}),
        (bounded, {"until": until + MILLISECOND}),
        (bounded, {"until": until, "event_type": "x"}),
    ]
    for token, arguments in calls:
        with pytest.raises(InvalidContinuationTokenError):
            await repositories.audit.list(ORGANIZATION, **{"since": SINCE, "continuation_token": token, **arguments})
    for token, end in ((open_end, None), (bounded, until)):
        with pytest.raises(InvalidContinuationTokenError):
            await repositories.audit.list(GLOBAL, since=SINCE, until=end, continuation_token=token)


async def test_tokens_are_portable(store: StoreUnderTest, repositories: Repositories, clock: SettableClock) -> None:
    """A list that was begun through one handle is continued through another."""
    events = [await appended(repositories, START - number * timedelta(hours=20)) for number in range(3)]
    first = await repositories.audit.list(ORGANIZATION, since=SINCE, limit=1)
    async with store.open_another() as another:
        audit = AuditRepository(another, clock=clock)
        rest = await audit.list(ORGANIZATION, since=SINCE, continuation_token=first.continuation_token)

    assert [*first, *rest] == events


async def test_a_lost_answer_adds_one_event(
    store: StoreUnderTest, repositories: Repositories, clock: SettableClock, passing_fault: Fault
) -> None:
    """Where the answer to an append is lost, or its refusal was false, the event is there once."""
    async with store.open_broken(passing_fault) as broken:
        event = await AuditRepository(broken, clock=clock).append(ORGANIZATION, KIND)

    assert list(await repositories.audit.list(ORGANIZATION, since=SINCE)) == [event]


@given(
    scope=strategies.tenants,
    kind=strategies.identifiers,
    text=strategies.texts,
    details=strategies.json_values,
    at=st.none() | strategies.moments,
)
async def test_any_content(
    repositories: Repositories, scope: Scope, kind: str, text: str, details: Any, at: datetime | None
) -> None:
    """Type, texts, details and time may hold anything, and come back as they were."""
    event = await appended(repositories, at, scope, event_type=kind, endpoint=text, user_agent=text, details=details)

    since = event.timestamp
    until = None if at is None else since + MILLISECOND
    found = [one for one in await repositories.audit.list(scope, since=since, until=until, event_type=kind) if one.id == event.id]
    assert found == [event]
    assert (event.event_type, event.endpoint, event.user_agent) == (kind, text, text)
    assert exact_json(found[0].record.body["details"]) == exact_json(details)
    assert event.timestamp <= (at or START) < event.timestamp + MILLISECOND


@pytest.mark.parametrize(
    ("arguments", "expected", "named"),
    [
        ({"scope": SYSTEM}, InvalidKeyError, "scope"),
        ({"scope": "GLOBAL"}, InvalidKeyError, "scope"),
        ({"event_type": ""}, InvalidRequestError, "event_type"),
        ({"event_type": None}, InvalidRequestError, "event_type"),
        ({"event_type": "x" * 201}, InvalidRequestError, "event_type"),
        ({"at": "now"}, InvalidRequestError, "at"),
        ({"at": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)}, InvalidRequestError, "1970"),
        ({"at": datetime(2286, 11, 20, 17, 46, 40, tzinfo=UTC)}, InvalidRequestError, "2286"),
        ({"user_id": 5}, InvalidRequestError, "user_id"),
        ({"remote_addr": "\udfff"}, InvalidRequestError, "remote_addr"),
        ({"endpoint": "x" * 32_769}, InvalidRequestError, "endpoint"),
        ({"status_code": "200"}, InvalidRequestError, "status_code"),
        ({"status_code": -1}, InvalidRequestError, "status_code"),
        ({"status_code": True}, InvalidRequestError, "status_code"),
        ({"details": {1: 2}}, InvalidRequestError, "details"),
        ({"details": float("inf")}, InvalidRequestError, "details"),
        ({"details": "é" * 6_000}, InvalidRequestError, "details"),
    ],
)
async def test_bad_events(
    store: StoreUnderTest, repositories: Repositories, arguments: Any, expected: type[Exception], named: str
) -> None:
    """What cannot be is refused before anything is written, and named."""
    with pytest.raises(expected, match=named):
        await appended(repositories, **arguments)
    assert await everything(store.backend) == {}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"scope": SYSTEM}, "scope"),
        ({"since": None}, "since"),
        ({"until": "now"}, "until"),
        ({"since": START - timedelta(days=366)}, "366"),
        ({"since": START - timedelta(days=300), "until": START + timedelta(days=66, microseconds=1)}, "366"),
        ({"event_type": ""}, "event_type"),
        ({"event_type": "\ud800"}, "event_type"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
    ],
)
async def test_bad_lists(repositories: Repositories, arguments: Any, named: str) -> None:
    """Windows of more than 366 days, and what is no time, type, scope or limit, are refused."""
    wanted = {"scope": ORGANIZATION, "since": SINCE, **arguments}
    with pytest.raises(InvalidRequestError, match=named):
        await repositories.audit.list(**wanted)
    if named not in ("scope", "limit"):
        with pytest.raises(InvalidRequestError, match=named):
            await repositories.audit.list_all(**{name: value for name, value in wanted.items() if name != "scope"})
