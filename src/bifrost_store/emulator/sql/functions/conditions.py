"""Functions that choose among their arguments."""

from __future__ import annotations

from bifrost_store.emulator.numbers import whole
from bifrost_store.emulator.sql.functions.registry import MANY, Function, Table
from bifrost_store.emulator.sql.values import UNDEFINED, Value


def _iif(test: Value, then: Value, otherwise: Value) -> Value:
    return then if test is True else otherwise


def _choose(position: Value, *choices: Value) -> Value:
    number = whole(position)
    return choices[number - 1] if number is not None and 1 <= number <= len(choices) else UNDEFINED


TABLE: Table = {"CHOOSE": Function(2, MANY, _choose), "IIF": Function(3, 3, _iif)}
