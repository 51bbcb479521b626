"""Queries as data: what a backend compiles to its own language, and their meaning in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bifrost_store.core.histogram import Histogram
from bifrost_store.core.json import dump_json
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.errors import InvalidRequestError

MAX_PAGE_SIZE = 500
FilterValue = str | int | bool | None

ID = "id"
SORT_KEY = "sortKey"
"""Names usable in filters beside the fields that a `DocumentSpec` declares queryable."""


def check_page_size(limit: object) -> None:
    """Refuse what cannot be the size of a page.

    Raises:
        InvalidRequestError: *limit* is not a whole number from 1 to `MAX_PAGE_SIZE`.
    """
    if type(limit) is not int or not 1 <= limit <= MAX_PAGE_SIZE:
        raise InvalidRequestError(f"limit: 1 to {MAX_PAGE_SIZE}, not {limit}")


@dataclass(frozen=True, slots=True)
class Eq:
    """The field equals *value*, type for type; None means absent or null."""

    field: str
    value: FilterValue


@dataclass(frozen=True, slots=True)
class In:
    """The field equals one of *values* (at least one)."""

    field: str
    values: tuple[FilterValue, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The field is a text with ``ge <= field < lt`` by code point; a bound that is None is open."""

    field: str
    ge: str | None = None
    lt: str | None = None


Filter = Eq | In | Range


@dataclass(frozen=True, slots=True)
class Query:
    """Records of one kind whose fields meet all *filters*.

    Attributes:
        scope: One scope, in the order of ``sort_key``; None: every scope, in no promised order, off hot paths.
        limit: Records on a page, 1 to 500.
        continuation_token: From the page before; None for the first.
        without: Fields that are most of a record and not needed: they come as None, and a backend need not read them. Of derived
            kinds only, and none that is queryable. A record that came so is never written back.
        first_found: Whichever of them are found first will do, in no order, and no page follows: for who asks whether there is one.
    """

    kind: str
    scope: Scope | None
    filters: tuple[Filter, ...] = ()
    limit: int = 100
    continuation_token: str | None = None
    without: tuple[str, ...] = ()
    first_found: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """One row of an aggregate.

    Attributes:
        values: The group's, in the order asked for.
        count: How many records.
        sums: Of each field in the order asked for, its whole numbers added up. Whatever else a field holds, or that it is absent
            or null, counts nothing; True is 1, False is 0.
        sum_counts: How many numbers each sum is of: an average is ``sum / sum_count``.
        histogram: The whole numbers of the field that a histogram was asked for, counted by bucket; see `core.histogram`.
    """

    values: tuple[FilterValue, ...]
    count: int
    sums: tuple[int, ...] = ()
    sum_counts: tuple[int, ...] = ()
    histogram: Histogram = field(default_factory=dict[int, int])


def group_order(group: Group) -> list[tuple[int, object]]:
    """Return the sort key by which aggregates come: None, booleans, integers, texts, then what no filter can name."""
    ranks: dict[type, int] = {type(None): 0, bool: 1, int: 2, str: 3}
    return [(ranks[type(v)], "" if v is None else v) if type(v) in ranks else (4, dump_json(v)) for v in group.values]


def field_value(record: Record, field: str) -> object:
    """Return what a filter on *field* sees of *record*."""
    if field == ID:
        return record.key.id
    if field == SORT_KEY:
        return record.sort_key
    return record.body.get(field)


def matches(record: Record, filters: Sequence[Filter]) -> bool:
    """Return whether *record* meets all *filters*: the meaning that every backend's own language must reproduce."""
    return all(_meets(field_value(record, f.field), f) for f in filters)


def _meets(value: object, condition: Filter) -> bool:
    match condition:
        case Eq(_, wanted):
            return _same(value, wanted)
        case In(_, wanted_values):
            return any(_same(value, wanted) for wanted in wanted_values)
        case Range(_, ge, lt):
            return isinstance(value, str) and (ge is None or value >= ge) and (lt is None or value < lt)


def _same(value: object, wanted: FilterValue) -> bool:
    return type(value) is type(wanted) and value == wanted
