"""`Clock`: the server's time, which tests set and move."""

from __future__ import annotations

import time


class Clock:
    """Seconds since 1970 that run with the machine's clock until they are told otherwise.

    Attributes:
        token_skew: Seconds that the server's clock is fast when it looks at the date of a signature. Apart from that, dates are
            compared with the machine's time, for the client's clock does not move with this one.
    """

    def __init__(self) -> None:
        self.token_skew = 0.0
        self._offset = 0.0
        self._stopped_at: float | None = None
        self._moved = 0.0

    def now(self) -> float:
        """Return the time."""
        return time.time() + self._offset if self._stopped_at is None else self._stopped_at

    def token_time(self) -> float:
        """Return the time that dates of signatures are compared with."""
        return time.time() + self.token_skew

    def monotonic(self) -> float:
        """Return seconds that only grow: real ones, and those that `advance` added. They pass while the clock stands still."""
        return time.monotonic() + self._moved

    def set(self, seconds: float) -> None:
        """Make it *seconds* since 1970 now; a clock that stands still keeps standing."""
        if self._stopped_at is None:
            self._offset = seconds - time.time()
        else:
            self._stopped_at = seconds

    def advance(self, seconds: float) -> None:
        """Move the clock by *seconds*."""
        self._moved += max(seconds, 0.0)
        if self._stopped_at is None:
            self._offset += seconds
        else:
            self._stopped_at += seconds

    def stop(self) -> None:
        """Let the clock stand still, so that only `set` and `advance` move it."""
        self._stopped_at = self.now()

    def run(self) -> None:
        """Let a clock that stood still run on from where it stood."""
        if self._stopped_at is not None:
            self._offset, self._stopped_at = self._stopped_at - time.time(), None

    def reset(self) -> None:
        """Return to the machine's time."""
        self.token_skew = 0.0
        self._offset, self._stopped_at = 0.0, None
