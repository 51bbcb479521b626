"""The event loop that a store belongs to: what its connections wait on cannot be waited for on another."""

from __future__ import annotations

import asyncio

from bifrost_store.errors import EventLoopError


class OwnLoop:
    """Remembers the event loop that it is first used on."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def check(self) -> None:
        """Refuse to go on where another event loop runs than the first time; without one nothing is waited for.

        Raises:
            EventLoopError: Another one does; nothing was sent.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise EventLoopError(
                "this store belongs to another event loop, the one on which it was first used; nothing was sent. Open a store "
                "in each event loop, or make all calls in one: asyncio.run and anyio.run begin a new one each time"
            )
