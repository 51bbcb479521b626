"""How far something long is: told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called with what is counted, how many are done, and how many there are in all where that is known."""


def silent(what: str, done: int, total: int | None) -> None:
    """Tell nobody."""
