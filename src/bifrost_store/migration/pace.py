"""How fast what is under way goes now, from looks at it that follow each other."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bifrost_store.migration.runners import interrupted_since
from bifrost_store.migration.status import MigrationStatus

_WINDOW: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Pace:
    """How far one thing is, and how fast it goes.

    Attributes:
        done: Records so far, those of earlier runs among them.
        total: How many there are, about; None where it is not known.
        rate: Records a second over the last half minute; None after one look, or where nobody works on it.
        seconds_left: At that rate; None where it cannot be told.
    """

    done: int
    total: int | None
    rate: float | None
    seconds_left: float | None

    def values(self) -> dict[str, Any]:
        """Return it as parts of a JSON object."""
        return {"done": self.done, "total": self.total, "rate": self.rate, "seconds_left": self.seconds_left}


class Paces:
    """Remembers looks at one migration."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[datetime, int]]] = {}

    def see(self, status: MigrationStatus) -> dict[str, Pace]:
        """Take note of *status*, and return the pace of everything under way by its name."""
        state = status.state
        progress = {} if state is None else state.progress
        counts = {name: values for name, values in progress.items() if isinstance(values.get("done"), int)}
        is_running = state is not None and state.running is not None and interrupted_since(state.running, status.now) is None
        if not is_running:
            self._seen.clear()
        self._seen = {name: looks for name, looks in self._seen.items() if name in counts}
        return {name: self._pace(name, status.now, values, is_running=is_running) for name, values in counts.items()}

    def _pace(self, name: str, now: datetime, values: dict[str, Any], *, is_running: bool) -> Pace:
        done, total = values["done"], values.get("total")
        total = total if isinstance(total, int) else None
        if not is_running:
            return Pace(done, total, None, None)
        looks = self._seen.setdefault(name, deque())
        if looks and looks[-1][1] > done:  # it starts over
            looks.clear()
        looks.append((now, done))
        while looks[0][0] < now - _WINDOW and len(looks) > 2:
            looks.popleft()
        since, before = looks[0]
        seconds = (now - since).total_seconds()
        if seconds <= 0:
            return Pace(done, total, None, None)
        rate = (done - before) / seconds
        return Pace(done, total, rate, (total - done) / rate if total is not None and rate else None)
