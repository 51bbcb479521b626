"""The store of this worker process: opened at the first call, kept until the process ends."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio

from bifrost_store import Store, open_store

_stack = AsyncExitStack()
_lock = anyio.Lock()
_store: Store | None = None


async def store() -> Store:
    """Return the store that the environment names. The worker runs every asynchronous function on one loop."""
    global _store  # noqa: PLW0603 - one per process
    async with _lock:
        if _store is None:
            _store = await _stack.enter_async_context(open_store())
        return _store


def use(opened: Store | None) -> None:
    """Take a store that somebody else opened and closes: for tests."""
    global _store  # noqa: PLW0603 - one per process
    _store = opened
