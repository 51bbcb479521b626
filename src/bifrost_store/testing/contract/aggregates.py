"""Aggregates: counts and sums by group, as plain Python finds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.histogram import MAX_BUCKET, bucket_of
from bifrost_store.core.query import Eq, Group, In, Query, Range
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
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
    histogram_of=st.sampled_from([None, "durationMs"]),
)
async def test_aggregates_are_the_models(
    backend: Backend,
    clock: SettableClock,
    scope: Scope | None,
    filters: tuple[Eq, ...],
    group_by: list[str],
    sum_of: list[str],
    histogram_of: str | None,
) -> None:
    """Counts, sums and histograms by any groups under any filter equal those of the model, groups in the order of their values."""
    model = ModelBackend(clock=clock)
    await create_all(model, _RECORDS)
    if await backend.get(_RECORDS[0].key) is None:
        await create_all(backend, _RECORDS)
    query = Query("execution", scope, filters)

    found = await backend.aggregate(query, group_by=group_by, sum_of=sum_of, histogram_of=histogram_of)

    wanted = await model.aggregate(query, group_by=group_by, sum_of=sum_of, histogram_of=histogram_of)
    assert found == wanted
    assert [tuple(map(type, group.values)) for group in found] == [tuple(map(type, group.values)) for group in wanted]


async def test_nothing_found_is_no_group(backend: Backend) -> None:
    """Over nothing there is no group at all, not one that counts zero."""
    assert await backend.aggregate(Query("execution", ORGANIZATION)) == []
    assert await backend.aggregate(Query("execution", ORGANIZATION), group_by=("status",), sum_of=("durationMs",)) == []


async def test_sums_do_not_overflow(backend: Backend) -> None:
    """Sums go beyond 32 bits."""
    await create_all(backend, [execution(number, durationMs=2**31 - 1) for number in range(4)])

    found = await backend.aggregate(Query("execution", ORGANIZATION), sum_of=("durationMs",))
    assert found == [Group((), 4, (4 * (2**31 - 1),), (4,))]


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
    assert found == [Group(("string",), 1)]


_BOUNDS = sorted({bucket_of(value) for power in range(41) for value in range(2**power, 2 ** (power + 1), max(1, 2**power // 16))})
_EDGES = [value for bound in _BOUNDS for value in (bound - 1, bound)] + [-1, MAX_BUCKET + 1, 2**53]
_LARGE = [2**53 + 1, 2**63 - 1, 2**63, 10**30, -(10**30)]
_ODD: list[object] = [1.5, -0.5, "7", "", True, False, {"json": "4"}, None, 3]
_ODDER: list[object] = [1.0, 1e300, [3], {"$json": "5"}, 10**20, -(2**63) - 1]


async def _histogram(backend: Backend, values: Sequence[object]) -> Group:
    """Return the sum and histogram of *values*, put into records of a kind whose fields may hold anything."""
    kind = "feed_lease"
    await create_all(backend, [Record(Key(kind, SYSTEM, f"{n:032x}"), {"processor": value}) for n, value in enumerate(values)])
    (group,) = await backend.aggregate(Query(kind, SYSTEM), sum_of=("processor",), histogram_of="processor")
    return group


@pytest.mark.parametrize("values", [_EDGES, _LARGE])
async def test_every_bucket_begins_and_ends_where_it_should(backend: Backend, values: list[int]) -> None:
    """Each value at the edge of a bucket counts in the same one on every backend, and so does what is beyond all of them."""
    found = await _histogram(backend, values)

    assert found == Group((), len(values), (sum(values),), (len(values),), dict(sorted(Counter(map(bucket_of, values)).items())))


async def test_a_histogram_counts_what_a_sum_is_of(backend: Backend) -> None:
    """Runs without a duration are in no bucket, and an average over those with one needs no second look."""
    durations = [None, 0, 5, -7, None, 2**31 - 1, 2**80]
    await create_all(backend, [execution(number, durationMs=value) for number, value in enumerate(durations)])

    found = await backend.aggregate(Query("execution", ORGANIZATION), sum_of=("durationMs",), histogram_of="durationMs")

    assert found == [Group((), 7, (5 - 7 + 2**31 - 1 + 2**80,), (5,), {0: 2, 5: 1, 0b1111 << 27: 1, MAX_BUCKET: 1})]


@pytest.mark.parametrize("values", [_ODD, _ODD + _ODDER])
async def test_what_is_no_whole_number_is_in_no_sum_and_no_bucket(backend: Backend, values: list[object]) -> None:
    """Fractions, texts, lists and objects count as records alone, whatever they look like; truth is 1 and 0."""
    found = await _histogram(backend, values)

    whole = [value for value in values if isinstance(value, int)]
    assert found == Group((), len(values), (sum(whole),), (len(whole),), dict(sorted(Counter(map(bucket_of, whole)).items())))


async def test_a_window_by_completion_is_counted_whole(backend: Backend) -> None:
    """A range of end times takes its first moment in and leaves its last one out, and runs without one are in no range."""
    ends = [None, *(f"2024-01-01T{hour:02}:00:00.000000Z" for hour in range(4)), "2024-01-01T01:59:59.999999Z"]
    await create_all(backend, [execution(n, completedAt=end, durationMs=100, status="Success") for n, end in enumerate(ends)])
    window = Range("completedAt", "2024-01-01T01:00:00.000000Z", "2024-01-01T02:00:00.000000Z")

    found = await backend.aggregate(
        Query("execution", ORGANIZATION, (window,)), group_by=("status",), sum_of=("durationMs",), histogram_of="durationMs"
    )

    assert found == [Group(("Success",), 2, (200,), (2,), {96: 2})]
