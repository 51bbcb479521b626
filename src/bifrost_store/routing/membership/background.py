"""Work that goes on beside the callers: repeated until it is closed, whatever fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

import anyio

from bifrost_store.core.events import log_event
from bifrost_store.errors import StoreError
from bifrost_store.wrappers.tally import Tally

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_logger = logging.getLogger("bifrost_store.background")


class Background:
    """Pieces of work by name, each in a task and a context of its own. None ends at an error.

    What fails is logged when it begins to fail, or fails otherwise, with a traceback where the error is none of the library's;
    counted; and done again after a pause that grows.

    Args:
        sleep: Waits for so many seconds.

    Attributes:
        problems: What fails at the moment, and how: by name.
    """

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self.problems: dict[str, str] = {}
        self.tally = Tally("background")
        self._sleep = sleep
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    def keep(
        self,
        name: str,
        work: Callable[[], Awaitable[float]],
        *,
        first_pause_seconds: float = _FIRST_PAUSE_SECONDS,
        longest_pause_seconds: float = _LONGEST_PAUSE_SECONDS,
    ) -> asyncio.Task[None]:
        """Do *work* from now on, which returns after how many seconds it is to be done again; return its task.

        Asked for again by the same name, it goes on as it was; after `aclose` nothing begins.

        Args:
            name: For logs and `problems`.
            work: One turn.
            first_pause_seconds, longest_pause_seconds: After a failure; twice as long after each.
        """
        task = self._tasks.get(name)
        if task is None:
            run = self._run(name, work, first_pause_seconds, longest_pause_seconds)
            task = self._tasks[name] = asyncio.create_task(run, context=Context())
            if self._is_closed:
                task.cancel()
        return task

    async def aclose(self) -> None:
        """End all work where it is."""
        self._is_closed = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, name: str, work: Callable[[], Awaitable[float]], first_pause: float, longest_pause: float) -> None:
        failures = 0
        while True:
            try:
                pause = await work()
            except (Exception, asyncio.CancelledError) as error:  # work that ended would be missed by nobody
                if isinstance(error, asyncio.CancelledError) and (self._is_closed or _is_being_cancelled()):
                    raise
                pause = min(first_pause * 2 ** min(failures, 30), longest_pause)
                failures += 1
                self._note(name, error, failures)
            else:
                failures = 0
                if self.problems.pop(name, None) is not None:
                    log_event(_logger, logging.INFO, "background.works_again", work=name)
            await self._sleep(pause)

    def _note(self, name: str, error: BaseException, failures: int) -> None:
        what = type(error).__name__
        self.tally.note(name)
        if not self.problems.get(name, "").startswith(f"{what},"):
            unexpected = None if isinstance(error, StoreError) else error
            log_event(_logger, logging.WARNING, "background.failed", unexpected, work=name, error=what)
        self.problems[name] = f"{what}, {failures} times in a row"


def _is_being_cancelled() -> bool:
    """Return whether this task itself was cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
