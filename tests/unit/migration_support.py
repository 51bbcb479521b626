"""What the tests of backfill and verification share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from bifrost_store.backends.protocol import Backend, ScanPage
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock
from bifrost_store.core.operations import Operation, Result, name_of
from bifrost_store.core.record import Key, Record
from bifrost_store.documents import SPECS
from bifrost_store.migration.backfill import Backfill
from bifrost_store.migration.verify import Verification
from bifrost_store.wrappers.pass_through import PassThrough


class KeptProgress:
    """A `Progress` in memory that can stop its user.

    Attributes:
        values: What was saved last.
        saves: How often.
        stop_at: The save that fails instead, counted from 1.
    """

    def __init__(self, stop_at: int | None = None) -> None:
        self.values: dict[str, Any] | None = None
        self.saves = 0
        self.stop_at = stop_at

    async def load(self) -> dict[str, Any] | None:
        return self.values

    async def save(self, values: dict[str, Any]) -> None:
        self.saves += 1
        if self.saves == self.stop_at:
            raise StoppedError
        self.values = values


class StoppedError(Exception):
    """The operator's process ends here."""


class Watched(PassThrough):
    """A backend whose calls a test can count or change.

    Args:
        inner: Does the work.
        before: Called with the method's name and the key, or None, before each; may raise.
    """

    def __init__(self, inner: Backend, before: Callable[[str, Key | None], Any] = lambda name, key: None) -> None:
        super().__init__(inner)
        self.before = before
        self.applied: list[Key] = []

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        self.before(name_of(operations), operations[0].key if len(operations) == 1 else None)
        self.applied += [operation.key for operation in operations]
        return await super().write(operations, attempt=attempt)

    async def stored(self, key: Key) -> Record | None:
        self.before("stored", key)
        return await super().stored(key)

    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        async for page in super().scan(resume_token):
            self.before("scan", None)
            yield page


async def always() -> bool:
    """Say that the route is the same."""
    return True


async def at_once(_: float) -> None:
    """Wait for nothing."""


def backfill(source: Any, target: Any, clock: Clock, **options: Any) -> Backfill:
    """Return a backfill that never waits."""
    given = {"specs": SPECS, "clock": clock, "progress": KeptProgress(), "is_current": always, "sleep": at_once, **options}
    return Backfill(source, target, **given)


def verification(primary: Any, secondary: Any, clock: Clock, *, folder: Path | None = None, **options: Any) -> Verification:
    """Return a verification that never waits."""
    given = {"specs": SPECS, "clock": clock, "is_current": always, "sleep": at_once, "folder": folder, **options}
    return Verification(primary, secondary, **given)
