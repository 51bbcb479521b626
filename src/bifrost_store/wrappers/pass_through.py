"""What every wrapper of one backend begins as: it answers as the inner one does, powers included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from typing_extensions import override

from bifrost_store.backends.protocol import Backend, Layout, RawRows, Repair, ScanPage
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Operation, Result
from bifrost_store.core.page import Page
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope

if TYPE_CHECKING:
    from bifrost_store.backends.execution_data import ExecutionData
    from bifrost_store.backends.feed import Feed


class PassThrough(Backend):
    """A `Backend` that forwards everything. Wrappers override what they change, and nothing else.

    Args:
        inner: What calls go to.
    """

    def __init__(self, inner: Backend) -> None:
        self._wrapped = inner

    @property
    def _inner(self) -> Backend:
        """What a call goes to, asked for each; a wrapper that overrides it may refuse here."""
        return self._wrapped

    @property
    @override
    def name(self) -> str:
        return self._wrapped.name

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        return await self._inner.get(key, fallback=fallback)

    @override
    async def stored(self, key: Key) -> Record | None:
        return await self._inner.stored(key)

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        return await self._inner.write(operations, attempt=attempt)

    @override
    async def query(self, query: Query) -> Page[Record]:
        return await self._inner.query(query)

    @override
    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        return await self._inner.aggregate(query, group_by=group_by, sum_of=sum_of, histogram_of=histogram_of)

    @override
    def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        return self._inner.scan(resume_token)

    @override
    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        return await self._inner.purge_expired(kind=kind, limit=limit)

    @override
    async def provision(self) -> None:
        await self._inner.provision()

    @override
    async def ping(self) -> str:
        return await self._inner.ping()

    @override
    async def aclose(self) -> None:
        await self._wrapped.aclose()

    @property
    @override
    def repair(self) -> Repair | None:
        return self._inner.repair

    @property
    @override
    def layout(self) -> Layout | None:
        return self._inner.layout

    @property
    @override
    def raw_rows(self) -> RawRows | None:
        return self._inner.raw_rows

    @property
    @override
    def execution_data(self) -> ExecutionData | None:
        return self._inner.execution_data

    @property
    @override
    def feed(self) -> Feed | None:
        return self._inner.feed
