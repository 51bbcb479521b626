"""Figures of hours and days: rows of ours whose keys are in the order of time, so that stretches of it are read alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from bifrost_store.backends.table.mappings.document import DocumentMapping
from bifrost_store.backends.table.places import KeyRange, end_of
from bifrost_store.core.query import ID, SORT_KEY, Eq, Filter, Range
from bifrost_store.core.scope import Scope
from bifrost_store.documents.metrics import PeriodMetrics

_PLAIN: Final = re.compile(r"[A-Za-z0-9~-]*")
_BEFORE_ALL: Final = "!"
"""Less than any character of an id."""


class MetricsMapping(DocumentMapping):
    """Ids are letters, digits and dashes, which stand in row keys as they are."""

    def __init__(self) -> None:
        super().__init__(PeriodMetrics.spec)

    @override
    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        lo, hi = self.prefix, end_of(self.prefix)
        for condition in filters:
            if condition.field in (ID, SORT_KEY):
                least, end = _bounds(condition)
                lo = lo if least is None else max(lo, self.prefix + least)
                hi = hi if end is None else min(hi, self.prefix + end)
        return [KeyRange(None if scope is None else scope.partition_key, lo, hi)]

    @override
    def is_ordered(self, scope: Scope | None, filters: Sequence[Filter]) -> bool:
        return True


def _bounds(condition: Filter) -> tuple[str | None, str | None]:
    """Return from which text on, and up to which, ids meet *condition*; None where its own text could not be one of ours."""
    match condition:
        case Range(_, ge, lt):
            return _plain(ge), _plain(lt)
        case Eq(_, str() as value) if _plain(value) is not None:
            return value, value + _BEFORE_ALL
        case _:
            return None, None


def _plain(text: str | None) -> str | None:
    return text if text is not None and _PLAIN.fullmatch(text) else None
