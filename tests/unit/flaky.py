"""A store in memory that fails, hangs or loses its answers when it is told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import anyio

from bifrost_store.backends.protocol import Operation, Result
from bifrost_store.core.clock import Clock
from bifrost_store.core.record import Key, Record
from bifrost_store.core.version import Etag
from bifrost_store.errors import StoreError
from bifrost_store.testing.model import ModelBackend
from bifrost_store.wrappers.checked import operation_key

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

    async def create(self, record: Record, *, epoch: int = 0) -> Record:
        await self._begin("create", record.key)
        stored = await super().create(record, epoch=epoch)
        await self.after("create", record.key)
        return stored

    async def replace(self, record: Record, expected: Etag, *, epoch: int = 0) -> Record:
        await self._begin("replace", record.key)
        stored = await super().replace(record, expected, epoch=epoch)
        await self.after("replace", record.key)
        return stored

    async def delete(self, key: Key, *, expected: Etag | None = None, epoch: int = 0) -> Record | None:
        await self._begin("delete", key)
        tombstone = await super().delete(key, expected=expected, epoch=epoch)
        await self.after("delete", key)
        return tombstone

    async def apply(self, record: Record, *, over: str | None = None) -> bool:
        await self._begin("apply", record.key)
        is_applied = await super().apply(record, over=over)
        await self.after("apply", record.key)
        return is_applied

    async def batch(self, operations: Sequence[Operation], *, epoch: int = 0) -> list[Result]:
        key = operation_key(operations[0])
        await self._begin("batch", key)
        results = await super().batch(operations, epoch=epoch)
        await self.after("batch", key)
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
