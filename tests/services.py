"""The servers that all tests of a process share."""

from __future__ import annotations

from contextlib import AsyncExitStack

from bifrost_store.demo.azurite import Azurite, run_azurite


class SharedAzurite:
    """One Azurite for all, until it ends: then there is another."""

    def __init__(self) -> None:
        self._present: Azurite | None = None
        self._stack = AsyncExitStack()

    async def running(self) -> Azurite:
        """Return one that runs."""
        if self._present is None or self._present.has_ended:
            await self.aclose()
            self._present = await self._stack.enter_async_context(run_azurite())
        return self._present

    @property
    def loss(self) -> str | None:
        """What to say if the present one has ended, else None."""
        if self._present is None or not self._present.has_ended:
            return None
        return f"Azurite ended during this test, with exit code {self._present.process.returncode}; the next test gets another"

    async def aclose(self) -> None:
        """Stop the present one."""
        await self._stack.aclose()
