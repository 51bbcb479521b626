"""A store in memory that fails, hangs or loses its answers when it is told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import anyio

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock
from bifrost_store.core.operations import Operation, Result, name_of
from bifrost_store.core.record import Key, Record
from bifrost_store.errors import StoreError
from bifrost_store.testing.model import ModelBackend

Hook = Callable[[str, Key], Awaitable[None]]
"""Given the operation's name and (first) key; may raise or wait."""


async def _nothing(name: str, key: Key) -> None:
    """Let it pass."""


class FlakyBackend(ModelBackend):
    """The model with a hook before and after every write, and before `stored`.

    Attributes:
        before, after: A failure in *after* loses the answer of what was carried out.
        calls: How often each operation was asked for.
    """

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.before: Hook = _nothing
        self.after: Hook = _nothing
        self.calls: Counter[str] = Counter()

    def works(self) -> None:
        """Let everything pass again."""
        self.before = self.after = _nothing

    async def stored(self, key: Key) -> Record | None:
        await self._begin("stored", key)
        return await super().stored(key)

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        name, key = name_of(operations), operations[0].key
        await self._begin(name, key)
        results = await super().write(operations, attempt=attempt)
        await self.after(name, key)
        return results

    async def _begin(self, name: str, key: Key) -> None:
        self.calls[name] += 1
        await self.before(name, key)


def failing(error: StoreError, *names: str, kind: str | None = None) -> Hook:
    """Return a hook that raises *error* in the operations called *names* (all, if none), for one *kind* or all."""

    async def hook(name: str, key: Key) -> None:
        if (not names or name in names) and kind in (None, key.kind):
            raise error

    return hook


def hanging(*names: str) -> Hook:
    """Return a hook that never returns."""

    async def hook(name: str, key: Key) -> None:
        if not names or name in names:
            await anyio.sleep_forever()

    return hook
