"""Secrets remembered for a while, so that a vault is not asked at every call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from bifrost_store.secrets.protocol import Secret, SecretStore

MAX_REMEMBERED: Final = 1_000
"""Secrets of one process; beyond that the one read first is forgotten."""


@dataclass(frozen=True, slots=True)
class _Entry:
    secret: Secret
    until: float


class RememberedSecrets:
    """What repositories ask for secrets: *inner*, asked once for each secret in a while.

    Args:
        inner: Where secrets are kept.
        seconds: How long a secret is used without asking again; 0: not at all.
        time: Tells seconds, and never goes back.
    """

    def __init__(self, inner: SecretStore, *, seconds: float, time: Callable[[], float] = monotonic) -> None:
        self._inner = inner
        self._seconds = seconds
        self._time = time
        self._entries: dict[Hashable, _Entry] = {}
        self._locks: dict[Hashable, asyncio.Lock] = {}

    async def get(self, name: str, *, state: Hashable = None, refresh: bool = False) -> Secret:
        """Return a secret as it is now, or was a while ago. Of several callers at the same time one asks.

        Args:
            state: Of whatever names the secret: what was remembered counts for the same state alone.
            refresh: Read it anew in any case: what was remembered has been refused.
        """
        key = (name.lower(), state)
        began = self._time()
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                entry = self._entries.get(key)
                if entry is not None and self._is_good(entry, began, refresh=refresh):
                    return entry.secret
                self._entries.pop(key, None)
                secret = await self._inner.get(name)
                self._forget(self._time())
                if self._seconds > 0:
                    self._entries[key] = _Entry(secret, self._time() + self._seconds)
                return secret
        finally:
            if not lock.locked():
                self._locks.pop(key, None)

    def _forget(self, now: float) -> None:
        """Forget what is not used any more, and the one read first where there are too many. Those read first end first."""
        for key, entry in list(self._entries.items()):
            if entry.until > now and len(self._entries) < MAX_REMEMBERED:
                return
            del self._entries[key]

    def _is_good(self, entry: _Entry, began: float, *, refresh: bool) -> bool:
        # Read after this call began is fresh enough for whoever wants it anew: somebody else asked meanwhile.
        return entry.until - self._seconds > began if refresh else entry.until > self._time()
