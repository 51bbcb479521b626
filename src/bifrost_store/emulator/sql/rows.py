"""The row that expressions read, and the value that leaves a query."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from bifrost_store.emulator.sql.values import UNDEFINED, Value

Row: TypeAlias = list[Value]
"""One value for each alias in scope, those of the queries around first."""

Getter: TypeAlias = Callable[[Row], Value]


class Constant:
    """An expression whose value is the same for every row."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def __call__(self, _: Row) -> Value:
        return self.value


def clean(value: Value) -> Value:
    """Return *value* as JSON: what is undefined in an array becomes null."""
    if type(value) is list:
        return [None if item is UNDEFINED else clean(item) for item in value]
    if type(value) is dict:
        return {name: clean(item) for name, item in value.items()}
    return value
