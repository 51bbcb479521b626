"""Steps into values as closures; the commonest forms, a property or two of an alias, without a loop."""

from __future__ import annotations

from bifrost_store.emulator.sql.rows import Getter, Row
from bifrost_store.emulator.sql.values import UNDEFINED, Value, lookup


def member_path(place: int, names: tuple[str, ...]) -> Getter:
    """Return the property at *names* below the alias in *place*."""
    if len(names) == 1:
        name = names[0]

        def one(row: Row) -> Value:
            value = row[place]
            return value.get(name, UNDEFINED) if type(value) is dict else UNDEFINED

        return one

    def several(row: Row) -> Value:
        value = row[place]
        for name in names:
            if type(value) is not dict:
                return UNDEFINED
            value = value.get(name, UNDEFINED)
        return value

    return several


def static_path(getter: Getter, steps: tuple[str | int | None, ...]) -> Getter:
    """Return what known steps lead to below a value; undefined if one of them is None."""
    path = tuple(step for step in steps if step is not None)
    if len(path) < len(steps):
        return lambda _: UNDEFINED
    return lambda row: lookup(getter(row), path)
