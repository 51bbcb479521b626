"""What an operator does next about a migration, as the command line has it: for commands, and for pages that show them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Final

from bifrost_store.errors import NextStep

_ALONE: Final = frozenset({"init", "repair"})
"""Commands that are not among those of ``migrate``."""
_OPTIONS: Final = {"scopes": "scope"}
"""Of arguments whose option is called otherwise: one that may be given several times."""


def spelled(steps: Iterable[NextStep]) -> str:
    """Return *steps* on one line, each as a sentence, a command to be pasted into a shell, or both."""
    return "; ".join(map(_spelled, steps))


def command_of(step: str, *words: str) -> str:
    """Return the command of *step* with its options."""
    return shlex.join(["bifrost-store", *([] if step in _ALONE else ["migrate"]), step, *words])


def words_of(**given: object) -> tuple[str, ...]:
    """Return the options that a command was given by the names of its parameters, as the command line says them."""
    words: list[str] = []
    for name, value in given.items():
        option = f"--{_OPTIONS.get(name, name).replace('_', '-')}"
        if value is True:
            words.append(option)
        elif isinstance(value, list | tuple):
            words += [word for one in value for word in (option, str(one))]
        elif value is not None and value is not False:
            words += [option, str(value)]
    return tuple(words)


def _spelled(step: NextStep) -> str:
    words = words_of(**step.options)
    if step.step is None:
        return f"{step.text}: the same command with {shlex.join(words)}" if words else step.text
    command = command_of(step.step, *words)
    return f"{step.text}: {command}" if step.text else command
