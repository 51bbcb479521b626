"""What a phase says at its end, and while it runs: one shape for Python, command line and JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.spec import Specs
from bifrost_store.errors import NextStep
from bifrost_store.migration.state import Phase, Progress
from bifrost_store.migration.totals import count_records

Tell = Callable[[str, Mapping[str, Any]], None]
"""Called with a dotted event, such as ``migration.batch_copied``, and its fields, while a phase runs."""


def tell_nobody(event: str, fields: Mapping[str, Any]) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class PhaseReport:
    """What became of a step.

    Attributes:
        step: What was asked for.
        phase: The migration is in now.
        ok: What the step is for holds now.
        next_steps: What to do now.
        lines: For people: what was done, or would be done.
        details: For programs; their names are part of the interface.
    """

    step: str
    phase: Phase
    ok: bool
    next_steps: tuple[NextStep, ...]
    lines: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return the report as one JSON object, but for the next steps."""
        return {"phase": self.phase.value, "ok": self.ok, "step": self.step, **self.details}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a step would do now.

    Attributes:
        step: What was asked for.
        phase: The migration is in.
        lines: What would be done, in order.
        obstacles: Why it would be refused; nothing if it would not, as far as can be told without trying.
        next_steps: What to do: about the first obstacle, or the step itself.
        is_done: There is nothing to do: what the step is for holds already.
        details: For programs: what the step would meet, and what it would take.
    """

    step: str
    phase: Phase
    lines: tuple[str, ...]
    obstacles: tuple[str, ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    is_done: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is seen to stand in the way."""
        return not self.obstacles

    def values(self) -> dict[str, Any]:
        """Return the plan as one JSON object, but for the next steps."""
        return {
            "phase": self.phase.value,
            "ok": self.ok,
            "step": self.step,
            "dry_run": True,
            "plan": list(self.lines),
            "obstacles": list(self.obstacles),
            **self.details,
        }


class ToldProgress:
    """A `Progress` whose counts are told to somebody too.

    Attributes:
        total: The number of records, about; None where it is not known.
    """

    def __init__(self, inner: Progress, name: str, tell: Tell, total: int | None = None) -> None:
        self._inner = inner
        self._name = name
        self._tell = tell
        self.total = total

    async def count(self, store: Backend, specs: Specs) -> None:
        """Find out the total: the records of *store*."""
        self.total = sum((await count_records(store, specs)).values())

    async def load(self) -> dict[str, Any] | None:
        return await self._inner.load()

    async def save(self, values: dict[str, Any]) -> None:
        if self.total is not None and "done" in values:
            values = {**values, "total": max(self.total, values["done"])}
        await self._inner.save(values)
        if "done" in values:
            self._tell(self._name, {"done": values["done"], "total": values.get("total")})
