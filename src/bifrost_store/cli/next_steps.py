"""How the command line spells what an operator does next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bifrost_store.core.commands import command_of, spelled, words_of
from bifrost_store.errors import NextStep

__all__ = ["command_of", "spelled", "with_next", "words_of"]


def with_next(values: dict[str, Any], steps: Iterable[NextStep]) -> dict[str, Any]:
    """Return the JSON object of a report, which begins with phase, ``ok`` and ``next``."""
    return {"phase": values["phase"], "ok": values["ok"], "next": spelled(steps), **values}
