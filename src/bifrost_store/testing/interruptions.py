"""A process that dies between two writes, in one process and on any backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Operation, Result
from bifrost_store.core.record import Record
from bifrost_store.wrappers.pass_through import PassThrough

_WRITES = frozenset({"put", "copy", "delete", "append", "remove"})


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

    def count(self) -> None:
        """Count a write, and raise `Stopped` when the time has come."""
        self.left -= 1
        self.has_stopped = self.has_stopped or self.left < 0
        self.check()

    def check(self) -> None:
        """Raise `Stopped` once the time has come."""
        if self.has_stopped:
            raise Stopped


class StoppingBackend(PassThrough):
    """A `Backend` that dies.

    Args:
        inner: Goes on without us.
        countdown: Says when.
    """

    def __init__(self, inner: Backend, countdown: Countdown) -> None:
        super().__init__(inner)
        self._countdown = countdown

    @property
    @override
    def _inner(self) -> Backend:
        self._countdown.check()
        return super()._inner

    @property
    @override
    def execution_data(self) -> Any:
        inner = super().execution_data
        return None if inner is None else Stopping(inner, self._countdown)

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        self._countdown.count()
        return await super().write(operations, attempt=attempt)

    @override
    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        self._countdown.count()
        return await super().purge_expired(kind=kind, limit=limit)


class Stopping:
    """A `BlobStore`, or an `ExecutionData`, that dies.

    Args:
        inner: Goes on without us.
        countdown: Says when.
    """

    def __init__(self, inner: BlobStore | ExecutionData, countdown: Countdown) -> None:
        self._inner = inner
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        """Return the inner store's method, which counts."""
        return _counted(getattr(self._inner, name), name, self._countdown)


def _counted(method: Any, name: str, countdown: Countdown) -> Any:
    if name in ("list", "scan"):

        async def iterate(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
            countdown.check()
            async for one in method(*arguments, **options):
                yield one

        return iterate

    async def call(*arguments: Any, **options: Any) -> Any:
        countdown.count() if name in _WRITES else countdown.check()
        return await method(*arguments, **options)

    return call


def is_only_stopped(error: BaseException) -> bool:
    """Return whether *error* is a `Stopped`, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        errors: Sequence[BaseException] = error.exceptions
        return all(map(is_only_stopped, errors))
    return isinstance(error, Stopped)
