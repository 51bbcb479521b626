"""How the command line spells what an operator does next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bifrost_store.core.commands import spelled
from bifrost_store.errors import NextStep


def with_next(values: dict[str, Any], steps: Iterable[NextStep]) -> dict[str, Any]:
    """Return the JSON object of a report, which begins with phase, ``ok`` and ``next``."""
    return {"phase": values["phase"], "ok": values["ok"], "next": spelled(steps), **values}
