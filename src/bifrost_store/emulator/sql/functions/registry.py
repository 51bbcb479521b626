"""What a function of the query language is here: Python that takes values and gives a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bifrost_store.emulator.sql.values import UNDEFINED, Value

MANY = 2**32
"""How many arguments a function without an upper bound takes at most."""

TICKS_PER_SECOND = 10_000_000
"""Ticks are 100 ns, counted from the Unix epoch."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function with the number of arguments that it takes.

    Attributes:
        call: Takes the arguments' values, UNDEFINED among them. If `is_timed`, the current ticks come before them.
        is_random: Each call gives another value.
    """

    least: int
    most: int
    call: Callable[..., Value]
    is_timed: bool = False
    is_random: bool = False


Table: TypeAlias = dict[str, Function]
"""Functions by their name in capitals."""


def for_strings(call: Callable[..., Value]) -> Callable[..., Value]:
    """Make *call* undefined unless every argument is a string."""

    def checked(*arguments: Value) -> Value:
        for argument in arguments:
            if type(argument) is not str:
                return UNDEFINED
        return call(*arguments)

    return checked
