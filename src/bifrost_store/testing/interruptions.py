"""A process that dies between two writes, in one process and on any backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore

_WRITES = frozenset({"create", "replace", "delete", "apply", "batch", "purge_expired", "put", "copy"})


class Stopped(BaseException):
    """The process has died: nothing that it meant to do happens, not even tidying up."""


@dataclass(slots=True)
class Countdown:
    """Stops everything before the n-th write, to records and blobs alike.

    Attributes:
        left: Writes until then.
        has_stopped: Whether it came so far.
    """

    left: int
    has_stopped: bool = False

    def check(self, method: str) -> None:
        """Count a call and raise `Stopped` when the time has come, and ever after."""
        if method in _WRITES:
            self.left -= 1
        if self.has_stopped or self.left < 0:
            self.has_stopped = True
            raise Stopped


class StoppingBackend:
    """A `Backend` that dies.

    Args:
        inner: Goes on without us.
        countdown: Says when.
    """

    def __init__(self, inner: Backend, countdown: Countdown) -> None:
        self._inner = inner
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        """Return the inner backend's method, which counts."""
        return _counted(getattr(self._inner, name), name, self._countdown)


class StoppingBlobs:
    """A `BlobStore` that dies.

    Args:
        inner: Goes on without us.
        countdown: Says when.
    """

    def __init__(self, inner: BlobStore, countdown: Countdown) -> None:
        self._inner = inner
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        """Return the inner store's method, which counts."""
        return _counted(getattr(self._inner, name), name, self._countdown)


def _counted(method: Any, name: str, countdown: Countdown) -> Any:
    if name == "name":
        return method
    if name in ("list", "scan"):

        async def iterate(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
            countdown.check(name)
            async for one in method(*arguments, **options):
                yield one

        return iterate

    async def call(*arguments: Any, **options: Any) -> Any:
        countdown.check(name)
        return await method(*arguments, **options)

    return call


def is_only_stopped(error: BaseException) -> bool:
    """Return whether *error* is a `Stopped`, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        errors: Sequence[BaseException] = error.exceptions
        return all(map(is_only_stopped, errors))
    return isinstance(error, Stopped)
