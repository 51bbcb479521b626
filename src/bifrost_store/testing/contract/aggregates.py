"""Aggregates: counts and sums by group, as plain Python finds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.query import Eq, Group, In, Query, Range
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import ExecutionStatus
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, config, execution
from bifrost_store.testing.model import ModelBackend

pytestmark = pytest.mark.anyio

_RECORDS = [
    execution(
        number,
        scope=(GLOBAL, ORGANIZATION)[number % 2],
        status=list(ExecutionStatus)[number % 5].value,
        workflowName=("nightly", "night'ly", "🙂", "\x00", "")[number % 5 - 1],
        formId=(None, "f-1", "\x01")[number % 3],
        durationMs=(None, 0, 5, 2**31 - 1)[number % 4],
    )
    for number in range(40)
]
_names = st.lists(st.sampled_from(["status", "workflowName", "formId", "executedBy", "durationMs"]), max_size=2, unique=True)
_filters = st.sampled_from(
    [
        (),
        (Eq("status", "Failed"),),
        (In("workflowName", ("🙂", "\x00")), Eq("formId", None)),
        (Range("startedAt", _RECORDS[10].body["startedAt"], _RECORDS[20].body["startedAt"]),),
        (Eq("durationMs", 0),),
        (Eq("status", "nothing"),),
    ]
)


@given(
    scope=st.sampled_from([GLOBAL, ORGANIZATION, OTHER_ORGANIZATION, None]),
    filters=_filters,
    group_by=_names,
    sum_of=st.lists(st.just("durationMs"), max_size=1),
)
async def test_aggregates_are_the_models(
    backend: Backend, clock: SettableClock, scope: object, filters: tuple[Eq, ...], group_by: list[str], sum_of: list[str]
) -> None:
    """Counts and sums by any groups under any filter equal those of the model, groups in the order of their values."""
    model = ModelBackend(clock=clock)
    await create_all(model, _RECORDS)
    if await backend.get(_RECORDS[0].key) is None:
        await create_all(backend, _RECORDS)
    query = Query("execution", scope, filters)  # type: ignore[arg-type]

    found = await backend.aggregate(query, group_by=group_by, sum_of=sum_of)

    assert found == await model.aggregate(query, group_by=group_by, sum_of=sum_of)
    assert [tuple(map(type, group.values)) for group in found] == [
        tuple(map(type, group.values)) for group in await model.aggregate(query, group_by=group_by, sum_of=sum_of)
    ]


async def test_nothing_found_is_no_group(backend: Backend) -> None:
    """Over nothing there is no group at all, not one that counts zero."""
    assert await backend.aggregate(Query("execution", ORGANIZATION)) == []
    assert await backend.aggregate(Query("execution", ORGANIZATION), group_by=("status",), sum_of=("durationMs",)) == []


async def test_sums_do_not_overflow(backend: Backend) -> None:
    """Sums go beyond 32 bits."""
    await create_all(backend, [execution(number, durationMs=2**31 - 1) for number in range(4)])

    found = await backend.aggregate(Query("execution", ORGANIZATION), sum_of=("durationMs",))
    assert found == [Group((), 4, (4 * (2**31 - 1),))]


async def test_limit_and_token_are_not_used(backend: Backend) -> None:
    """An aggregate counts everything, whatever page the query speaks of."""
    await create_all(backend, [execution(number) for number in range(5)])
    query = Query("execution", ORGANIZATION, limit=2)
    page = await backend.query(query)

    found = await backend.aggregate(Query("execution", ORGANIZATION, limit=2, continuation_token=page.continuation_token))
    assert [group.count for group in found] == [5]


@given(names=st.lists(strategies.identifiers, min_size=1, max_size=6))
async def test_groups_keep_hostile_names_apart(backend: Backend, names: list[str]) -> None:
    """Group values come back as they were stored, each its own group."""
    records = [execution(number, executedBy=name) for number, name in enumerate(names)]
    await create_all(backend, records)
    try:
        found = await backend.aggregate(Query("execution", ORGANIZATION), group_by=("executedBy",))
        assert {group.values[0]: group.count for group in found} == {name: names.count(name) for name in names}
        assert [group.values[0] for group in found] == sorted(set(names))
    finally:
        for record in records:
            await backend.delete(record.key)


async def test_tombstones_are_not_counted(backend: Backend) -> None:
    """Deleted records do not count."""
    await create_all(backend, [config("a"), config("b")])
    await backend.delete(config("a").key)

    found = await backend.aggregate(Query("config", ORGANIZATION), group_by=("configType",))
    assert found == [Group(("string",), 1, ())]
