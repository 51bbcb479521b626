"""Writes to two stores: the primary answers, the secondary is told in the same call, and what it missed is journaled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Apply, Operation, Result
from bifrost_store.core.record import Key, Record
from bifrost_store.core.spec import Specs
from bifrost_store.core.tasks import for_each
from bifrost_store.mirroring.mirror import Mirror, Told
from bifrost_store.wrappers.pass_through import PassThrough

T = TypeVar("T")


class DualWriteBackend(PassThrough):
    """A `Backend` around a primary and a secondary.

    Reads go to the primary, whose answers and errors are the caller's. Each write goes to the primary; what it stored, tombstones
    included, is applied to the secondary before the caller is answered, a batch as one batch. If the secondary fails or takes
    too long, the keys are journaled in the primary before the caller is answered; if even that fails, the caller hears
    OutcomeUnknownError. A write that was begun is carried to its end although its caller is cancelled.

    Not covered here is a process that dies between the two stores: see docs/decisions/0022-what-a-dead-writer-left.md.

    Args:
        primary: Answers.
        mirror: Tells the secondary.
        specs: Every kind that the store knows. The library's own are written to the primary alone.
    """

    def __init__(self, primary: Backend, mirror: Mirror, specs: Specs) -> None:
        super().__init__(primary)
        self._mirror = mirror
        self._specs = specs

    @property
    def mirror(self) -> Mirror:
        """What tells the secondary."""
        return self._mirror

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        """See `Backend.write`. What the primary has already is told to the secondary too, so that repeating completes."""

        async def write() -> Told[list[Result]]:
            results = await self._inner.write(operations, attempt=attempt)
            stored = [
                operation.record if isinstance(operation, Apply) and result is True else result
                for operation, result in zip(operations, results, strict=True)
            ]
            known = await self._known([one.key for one, result in zip(operations, results, strict=True) if result is False])
            return results, [*(record for record in stored if isinstance(record, Record)), *known]

        return await self._carry_out([operation.key for operation in operations], write, attempt)

    async def tell(self, records: Sequence[Record]) -> None:
        """Let the secondary or the journal know of *records*, as the primary holds them.

        Raises:
            OutcomeUnknownError: Neither could be told.
        """

        async def known() -> Told[None]:
            return None, records

        if records:
            await self._carry_out([record.key for record in records], known, Attempt())

    @override
    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        """See `Backend.purge_expired`. The secondary purges its own: what it misses is absent to readers there too, and is
        met by the next purge, so nothing is journaled.
        """
        purged = await self._inner.purge_expired(kind=kind, limit=limit)
        if kind in self._specs and not self._specs[kind].is_internal:
            await self._mirror.purge(kind, limit, is_last=not purged)
        return purged

    @override
    async def provision(self) -> None:
        await self._inner.provision()
        await self._mirror.secondary.provision()

    @override
    async def ping(self) -> str:
        return f"{await self._inner.ping()}; other store: {await self._mirror.secondary.ping()}"

    @override
    async def aclose(self) -> None:
        """Bring every write that was begun to its end. The two stores stay open: whoever opened them closes them."""
        await self._mirror.drain()

    async def _carry_out(self, keys: list[Key], write: Callable[[], Awaitable[Told[T]]], attempt: Attempt) -> T:
        spec = self._specs.get(keys[0].kind) if keys else None
        if spec is not None and spec.is_internal:
            return (await write())[0]
        return await self._mirror.carry_out(keys, write, attempt)

    async def _known(self, keys: Sequence[Key]) -> list[Record]:
        """Return what the primary holds at *keys*, where it had no use for what was given."""
        return [record for record in await for_each(self._inner.stored, keys) if record is not None]
