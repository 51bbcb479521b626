"""Where executions were seen: bounded, and ids that tell where their executions are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.table.locations import Locations
from bifrost_store.core.record import Key
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents.execution import check_execution_id, execution_sort_key, new_execution_id, sort_key_of_id
from bifrost_store.errors import InvalidRequestError

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2286, 11, 20, 17, 46, 39, 999999, tzinfo=UTC)


def key(number: int, scope: Scope = GLOBAL) -> Key:
    return Key("execution", scope, f"e-{number}")


def test_those_used_longest_ago_are_forgotten() -> None:
    """Its size is bounded, and what is asked for stays."""
    locations = Locations(most=3)
    for number in range(3):
        locations.note(key(number), f"s-{number}")
    assert locations.of(key(0)) == "s-0"
    locations.note(key(3), "s-3")

    assert [locations.of(key(number)) for number in range(4)] == ["s-0", None, "s-2", "s-3"]


def test_scopes_are_apart() -> None:
    """One id in two scopes is two executions."""
    locations = Locations()
    locations.note(key(1), "here")
    locations.note(key(1, Scope.organization("a")), "there")
    locations.forget(key(1))

    assert (locations.of(key(1)), locations.of(key(1, Scope.organization("a")))) == (None, "there")


@given(st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC)))
def test_a_new_id_tells_where_its_execution_is(moment: datetime) -> None:
    """The place follows from the id alone, which is a UUID of version 7."""
    id_ = new_execution_id(moment)
    check_execution_id(id_)

    assert execution_sort_key(moment, id_) == sort_key_of_id(id_)
    assert UUID(id_).version == 7
    assert str(UUID(id_)) == id_


def test_ids_of_one_moment_differ() -> None:
    """74 of their bits are random."""
    assert len({new_execution_id(FIRST) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("moment", [FIRST - timedelta(microseconds=1), LAST + timedelta(microseconds=1)])
def test_no_id_is_made_for_a_time_that_cannot_be_ordered(moment: datetime) -> None:
    """As no run can start then."""
    with pytest.raises(InvalidRequestError, match="1970 to 2286"):
        new_execution_id(moment)


@pytest.mark.parametrize(
    "id_",
    ["e-1", "11111111-2222-4333-8444-555555555555", "ffffffff-ffff-7fff-bfff-ffffffffffff", "019AAAAA-2222-7333-8444-555555555555"],
)
def test_other_ids_tell_nothing(id_: str) -> None:
    """Of another form, or of a time that sort keys do not have."""
    assert sort_key_of_id(id_) is None
