"""ORDER BY: a stable sort by one key after the other, the last one first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from bifrost_store.emulator.sql.expressions import Context, Scope, compile_expression
from bifrost_store.emulator.sql.rows import Getter, Row
from bifrost_store.emulator.sql.syntax import OrderItem
from bifrost_store.emulator.sql.values import ARRAY_RANK, NUMBER_RANK, RANKS, Value, sort_key


def compile_order(items: tuple[OrderItem, ...], scope: Scope, context: Context) -> Callable[[Iterator[Row]], Iterator[Row]]:
    """Return ORDER BY as a function of rows. Rows that are equal in every key keep their order, descending ones too."""
    keys = [(compile_expression(item.expression, scope, context), item.is_descending) for item in items]

    def order(rows: Iterator[Row]) -> Iterator[Row]:
        result = list(rows)
        for getter, is_descending in reversed(keys):
            result = _sorted(result, getter, is_descending)
        return iter(result)

    return order


def _sorted(rows: list[Row], getter: Getter, is_descending: bool) -> list[Row]:
    keys: list[Any] = [getter(row) for row in rows]
    kinds = set(map(type, keys))
    if kinds != {str} and (not kinds <= {int, float} or any(map(math.isnan, keys))):
        keys = list(map(_key, keys))
    order = sorted(range(len(rows)), key=keys.__getitem__, reverse=is_descending)
    return [rows[position] for position in order]


def _key(value: Value) -> tuple[int, Any]:
    """Return what orders like `compare`, cheaper than `sort_key` for scalars."""
    rank = RANKS[type(value)]
    if rank >= ARRAY_RANK or rank == NUMBER_RANK:
        return rank, sort_key(value)
    return rank, value if rank > 1 else 0
