"""Dashboards add up thousands of stored figures without a model of each; what they show is the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.clock import format_time
from bifrost_store.core.histogram import bucket_of
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.documents.metrics import PeriodMetrics, RunCounts, metrics_body
from bifrost_store.metrics.counting import NONE, add_up, add_up_stored
from bifrost_store.metrics.keeping import counted_in
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import ORGANIZATION

_numbers = st.integers(0, 2**40)
_counts = st.builds(
    RunCounts,
    count=_numbers,
    success_count=_numbers,
    timeout_count=_numbers,
    duration_count=_numbers,
    total_duration_ms=st.integers(-(2**40), 2**60),
    histogram=st.dictionaries(_numbers.map(bucket_of), st.integers(1, 2**40), max_size=4),
)
_names = st.text(max_size=3) | st.integers(0, 60).map(str)


def stored(workflows: dict[str, RunCounts], others: RunCounts | None = None) -> Body:
    """Return the body of a day with these workflows."""
    return metrics_body("daily-2025-11-14", NONE, workflows, others, counted_at=format_time(START))


@given(days=st.lists(st.tuples(st.dictionaries(_names, _counts, max_size=60), st.none() | _counts), max_size=4))
def test_bodies_add_up_as_models_do(days: list[tuple[dict[str, RunCounts], RunCounts | None]]) -> None:
    """Workflows and others of days are the same, whether models are added up or what is stored."""
    bodies = [stored(workflows, others) for workflows, others in days]
    models = [PeriodMetrics.from_record(Record(Key("metrics", ORGANIZATION, "daily-2025-11-14"), body)) for body in bodies]
    whole = add_up([counted_in(one) for one in models])

    assert (whole.workflows, whole.others) == add_up_stored(bodies)
    assert list(whole.workflows) == list(add_up_stored(bodies)[0])


@pytest.mark.parametrize(
    "damaged",
    [
        {"workflows": None},
        {"workflows": {"sync": 1}},
        {"workflows": {"sync": {"count": "1"}}},
        {"workflows": {"sync": {"count": -5}}},
        {"workflows": {"sync": {"count": 1.5}}},
        {"workflows": {"sync": {"histogram": "x"}}},
        {"workflows": {"sync": {"histogram": {"16": 1}}}},
        {"others": [1]},
    ],
)
def test_what_cannot_be_read_is_left_out(damaged: dict[str, Any]) -> None:
    """A day whose workflows are damaged takes no other day with it."""
    one = RunCounts(count=1, success_count=1, histogram={16: 1})
    bodies = [stored({"sync": one}, one), {**stored({"sync": one}), **damaged}]
    assert ({"sync": one}, one) == add_up_stored(bodies)
