"""An event loop whose clock jumps to the next thing that is due: a minute of waiting takes no time, and is the same every time."""

from __future__ import annotations

import asyncio


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs only what does no I/O. Nothing left to wait for is an error, where another loop would hang."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._now

    def _run_once(self) -> None:
        if not self._ready:  # type: ignore[attr-defined]
            due = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
            if not due and not self._stopping:  # type: ignore[attr-defined]
                raise RuntimeError("everybody waits for nothing")
            self._now = max([self._now, *due[:0], min(due, default=self._now)])
        super()._run_once()  # type: ignore[misc]
