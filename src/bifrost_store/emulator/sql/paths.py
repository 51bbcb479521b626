"""Steps into values as closures; the commonest forms, a property or two of an alias, without a loop."""

from __future__ import annotations

from bifrost_store.emulator.numbers import whole
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


def static_path(getter: Getter, step: str | int) -> Getter:
    """Return one known step below a value."""
    path = (step,)
    return lambda row: lookup(getter(row), path)


def dynamic_step(getter: Getter, index: Getter) -> Getter:
    """Return the step below a value that *index* names: a property by string, an element by integer."""

    def step(row: Row) -> Value:
        position = index(row)
        if type(position) is str:
            return lookup(getter(row), (position,))
        number = whole(position)
        return UNDEFINED if number is None else lookup(getter(row), (number,))

    return step
