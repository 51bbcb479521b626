"""Queries: order, filters, pages and the tokens between them, which any backend continues."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.page import Page, encode_token
from bifrost_store.core.query import ID, SORT_KEY, Eq, In, Query, Range, matches
from bifrost_store.core.record import Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.errors import InvalidContinuationTokenError, InvalidRequestError, StoreError
from bifrost_store.testing.bulk import apply_all, create_all, joined, pages
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, changed, config, execution, membership, metrics, user
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

_STATUSES: Final = ("Running", "Success", "Failed", "Pending")
_WORKFLOWS: Final = ("nightly", "nightly2", "Nightly", "night'ly", "a/b", "")


def _executions(count: int = 24) -> list[Record]:
    """Return executions of three scopes with few values in many combinations, some started in the same millisecond."""
    return [
        execution(
            number,
            scope=(GLOBAL, ORGANIZATION, OTHER_ORGANIZATION)[number % 3],
            started_at=START - timedelta(milliseconds=number // 4, microseconds=number),
            status=_STATUSES[number % 4],
            workflowName=_WORKFLOWS[number % 6],
            executedBy=("a@b.co", "a@b.com")[number % 2],
            formId=(None, "f-1", "f-2")[number // 3 % 3],
            durationMs=(None, 0, 1, 2**31 - 1)[number // 2 % 4],
        )
        for number in range(count)
    ]


async def _fill(*backends: Backend) -> list[Record]:
    stored = await create_all(backends[0], _executions())
    for backend in backends[1:]:
        await apply_all(backend, stored)
    return stored


def _in_order(records: list[Record], query: Query) -> list[str]:
    """Return what plain Python finds: the ids of the records that *query* describes, in order."""
    found = [r for r in records if r.key.kind == query.kind and query.scope in (None, r.key.scope) and matches(r, query.filters)]
    return [str(r.key) for r in sorted(found, key=lambda r: (r.key.scope.value if query.scope is None else "", r.sort_key))]


def _keys(records: list[Record]) -> list[str]:
    return [str(record.key) for record in records]


_fields = {
    "status": st.sampled_from((*_STATUSES, "nothing", "running")),
    "workflowName": st.sampled_from((*_WORKFLOWS, "night")),
    "executedBy": st.sampled_from(("a@b.co", "a@b.com", "a@b.c")),
    "formId": st.sampled_from((None, "f-1", "f-2", "f-")),
    "durationMs": st.sampled_from((None, 0, 1, True, "1", 2**31 - 1)),
    ID: st.sampled_from(("e-1", "e-2", "e-22", "e-99")),
}
_bounds = st.none() | st.sampled_from([record.body["startedAt"] for record in _executions(12)])
_sort_bounds = st.none() | st.sampled_from([record.sort_key for record in _executions(12)]) | st.sampled_from(["", "0", "~"])
_filters = st.one_of(
    st.sampled_from(sorted(_fields)).flatmap(lambda name: st.builds(Eq, st.just(name), _fields[name])),
    st.sampled_from(sorted(_fields)).flatmap(
        lambda name: st.builds(In, st.just(name), st.lists(_fields[name], min_size=1, max_size=3).map(tuple))
    ),
    st.builds(Range, st.just("startedAt"), _bounds, _bounds),
    st.builds(Range, st.just(SORT_KEY), _sort_bounds, _sort_bounds),
)
queries: st.SearchStrategy[Query] = st.builds(
    Query,
    st.just("execution"),
    st.sampled_from([GLOBAL, ORGANIZATION, OTHER_ORGANIZATION, None]),
    st.lists(_filters, max_size=3).map(tuple),
    st.sampled_from([1, 2, 3, 7, 100, 500]),
)


@pytest.fixture
async def stored(backend: Backend) -> list[Record]:
    """Executions in the store."""
    return await _fill(backend)


@given(query=queries)
async def test_joined_pages_are_the_whole_list(backend: Backend, stored: list[Record], query: Query) -> None:
    """The pages of any query, joined, are what a plain filter finds, each once, in order; all but the last are full."""
    found = await pages(backend, query)

    assert _keys([record for page in found for record in page]) == _in_order(stored, query)
    assert all(len(page) == query.limit for page in found[:-1])
    assert found[-1].continuation_token is None
    assert len(found) == 1 or len(found[-1]) > 0


async def test_a_query_returns_records_as_get_does(backend: Backend, stored: list[Record]) -> None:
    """A listed record is the one that get returns, version and etag hint included."""
    for record in await joined(backend, Query("execution", GLOBAL)):
        read = await backend.get(record.key)
        assert read is not None
        assert exactly(record) == exactly(read)
        assert record.etag == read.etag


@pytest.mark.parametrize("scope", [ORGANIZATION, None], ids=["one scope", "every scope"])
async def test_pages_are_stable_under_inserts(backend: Backend, stored: list[Record], scope: object) -> None:
    """What was there throughout is met exactly once, whatever is inserted before, at and after the position meanwhile."""
    query = Query("execution", ORGANIZATION if scope is not None else None, limit=2)
    expected = _in_order(stored, query)
    seen: list[str] = []
    number = 100
    while True:
        page = await backend.query(query)
        seen += [str(record.key) for record in page]
        number += 1
        offset = (-3600, 0, 3600)[number % 3]
        await backend.create(execution(number, started_at=START + timedelta(seconds=offset, microseconds=-number)))
        if page.continuation_token is None:
            break
        query = replace(query, continuation_token=page.continuation_token)

    assert len(seen) == len(set(seen))
    assert [key for key in seen if key in expected] == expected


async def test_a_deleted_position_still_continues(backend: Backend, stored: list[Record]) -> None:
    """A token goes on after the last record of its page even when that has been deleted."""
    query = Query("execution", ORGANIZATION, limit=3)
    first = await backend.query(query)
    for record in first:
        await backend.delete(record.key)

    rest = await joined(backend, replace(query, continuation_token=first.continuation_token))
    assert _keys(rest) == _in_order(stored, query)[3:]


@given(query=queries)
async def test_tokens_are_portable(backend: Backend, other: Backend, query: Query) -> None:
    """A token taken on one backend is continued on another: page by page in turn, the list stays whole and in order."""
    stored = await joined(backend, Query("execution", None)) or await _fill(backend, other)
    seen: list[str] = []
    turn = (backend, other)
    limited = replace(query, limit=min(query.limit, 3))
    while True:
        here, there = await turn[0].query(limited), await turn[1].query(limited)
        assert _keys(list(here)) == _keys(list(there))
        assert here.continuation_token == there.continuation_token
        seen += _keys(list(here))
        if here.continuation_token is None:
            break
        limited, turn = replace(limited, continuation_token=here.continuation_token), turn[::-1]

    assert seen == _in_order(stored, query)


async def test_altered_tokens_are_refused(backend: Backend, stored: list[Record]) -> None:
    """Every change to a token, in any character, raises InvalidContinuationTokenError; so does what is no token."""
    query = Query("execution", ORGANIZATION, limit=2)
    token = (await backend.query(query)).continuation_token
    assert token is not None
    altered = [token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :] for i in range(len(token) - 1)]
    for text in (
        *altered,
        token[:-3],
        token + token,
        "",
        "x",
        "é",
        "\x00",
        "%",
        base64.b64encode(b"[]").decode(),
        "null",
        "0" * 5000,
    ):
        with pytest.raises(InvalidContinuationTokenError) as caught:
            await backend.query(replace(query, continuation_token=text))
        assert caught.value.is_retryable is False


@given(position=st.lists(st.text(st.characters(max_codepoint=127), max_size=40), min_size=1, max_size=3), scope=st.booleans())
async def test_a_forged_position_finds_only_what_its_query_finds(
    backend: Backend, other: Backend, position: list[str], scope: bool
) -> None:
    """Whoever computes a token, checksum and all, moves where a list begins; never what is in it, nor how it ends."""
    stored = await joined(backend, Query("execution", None)) or await _fill(backend, other)
    query = Query("execution", ORGANIZATION if scope else None, (Eq("executedBy", "a@b.co"),), limit=2)
    allowed = {(record.key.scope, record.key.id) for record in stored if matches(record, query.filters)}
    token = encode_token(query, position)
    try:
        page = await backend.query(replace(query, continuation_token=token))
        found = [*page, *(await joined(backend, replace(query, continuation_token=page.continuation_token or token)))]
    except InvalidContinuationTokenError:
        return
    assert {(record.key.scope, record.key.id) for record in found} <= allowed
    assert all(not scope or record.key.scope == ORGANIZATION for record in found)


async def test_a_forged_position_does_not_widen_a_range(backend: Backend, stored: list[Record]) -> None:
    """A list between two sort keys stays between them, wherever the token says that it goes on."""
    keys = sorted(record.sort_key for record in stored if record.key.scope == ORGANIZATION)
    query = Query("execution", ORGANIZATION, (Range(SORT_KEY, keys[2], keys[5]),))
    for position in ("", *keys):
        page = await backend.query(replace(query, continuation_token=encode_token(query, [position])))
        assert [key for key in keys[2:5] if key > position] == [record.sort_key for record in page]


async def test_foreign_tokens_are_refused(backend: Backend, stored: list[Record]) -> None:
    """A token fits the query it came from and no other: not another scope, kind, filter or value; another limit is fine."""
    where = (Eq("executedBy", "a@b.co"),)
    query = Query("execution", ORGANIZATION, where, limit=2)
    page = await backend.query(query)
    continued = replace(query, continuation_token=page.continuation_token)
    for foreign in (
        replace(continued, scope=OTHER_ORGANIZATION),
        replace(continued, scope=GLOBAL),
        replace(continued, scope=None),
        replace(continued, kind="config", filters=()),
        replace(continued, filters=()),
        replace(continued, filters=(Eq("executedBy", "a@b.com"),)),
        replace(continued, filters=(*where, Eq("status", "Running"))),
    ):
        with pytest.raises(InvalidContinuationTokenError):
            await backend.query(foreign)
    assert len(await backend.query(replace(continued, limit=100))) > 0


@pytest.mark.parametrize("number", [1, 3])
async def test_small_kinds_are_paged_too(backend: Backend, number: int) -> None:
    """Kinds that are ordered by id have the order of their sort keys, whatever the ids hold, page by page."""
    emails = ["a", "b", "A", "é", "é ", "%", "%%", "a b", "a:b", "/", "~", "\x00", "🙂", "\uffff", "aa", "a\x00b", "10", "9"]
    for make in (user, membership, config):
        records = await create_all(backend, [make(email) for email in emails])
        query = Query(records[0].key.kind, records[0].key.scope, limit=number)
        found = await joined(backend, query)
        assert _keys(found) == _keys(sorted(records, key=lambda record: record.sort_key))


async def test_large_pages(backend: Backend) -> None:
    """A page of 500 holds 500; order and position hold across it."""
    records = [execution(number) for number in range(1, 503)]
    await create_all(backend, records)

    sizes = [len(page) for page in await pages(backend, Query("execution", ORGANIZATION, limit=500))]
    found = await joined(backend, Query("execution", ORGANIZATION, limit=500))
    assert sizes == [500, 2]
    assert all(a.sort_key < b.sort_key for a, b in pairwise(found))


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("make", [user, config, membership, execution])
async def test_whichever_are_found_first(backend: Backend, make: Callable[[Any], Record], limit: int) -> None:
    """Some of what is there, in no order and on one page; none only where nothing is there."""
    numbers = [1, 2, 3] if make is execution else ["a", "é", "%"]
    scope = make(numbers[0]).key.scope
    query = Query(make(numbers[0]).key.kind, scope, limit=limit, first_found=True)
    assert Page(()) == await backend.query(query)
    records = await create_all(backend, [make(one) for one in numbers])
    page = await backend.query(query)

    assert min(limit, 3) == len(page) == len({record.key for record in page})
    assert page.continuation_token is None
    assert all(record in records for record in page)
    wanted = replace(query, filters=(In(ID, (records[2].key.id,)),))
    assert [records[2]] == list(await backend.query(wanted))
    for record in records:
        await backend.delete(record.key)
    assert Page(()) == await backend.query(query)


async def test_fields_that_are_not_needed_are_left_out(backend: Backend) -> None:
    """A query without some fields has them as None, on every page; all else is as it is stored."""
    records = await create_all(backend, [metrics(f"hourly-2025-01-26T{hour:02}") for hour in range(5)])
    left_out = {"workflows": None, "others": None}
    for scope in (ORGANIZATION, None):
        query = Query("metrics", scope, (Eq("date", "2025-01-26"),), limit=2, without=tuple(left_out))
        found = sorted(await joined(backend, query), key=lambda record: record.key.id)
        assert [exactly(changed(record, **left_out)) for record in records] == list(map(exactly, found))
    assert records == await joined(backend, Query("metrics", ORGANIZATION))


@pytest.mark.parametrize(("make", "name"), [(config, "value"), (metrics, "colour"), (metrics, "date"), (metrics, "workflows'")])
async def test_fields_that_cannot_be_left_out(backend: Backend, make: Callable[[], Record], name: str) -> None:
    """Only fields of derived kinds that no filter names are left out of answers."""
    record = make()
    with pytest.raises(InvalidRequestError, match="left out"):
        await backend.query(Query(record.key.kind, record.key.scope, without=(name,)))


async def test_errors_of_queries_are_ours(backend: Backend, stored: list[Record]) -> None:
    """Whatever hostile text stands in a filter, the query answers, and finds what a plain filter finds."""
    for text in ("'", "' or 1 eq 1", "@p0", "%", "\x00", "\ufffe", "a\u2028b", "\\", '"', "🙂" * 100):
        for filters in ((Eq("workflowName", text),), (In("executedBy", (text, "a@b.co")),), (Range(SORT_KEY, text, None),)):
            try:
                found = await joined(backend, Query("execution", ORGANIZATION, filters))
            except StoreError as error:
                pytest.fail(f"{filters}: {error!r}")
            assert _keys(found) == _in_order(stored, Query("execution", ORGANIZATION, filters))
