"""The waist that follows the flag: each call goes to the backend of its scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio

from bifrost_store.backends.protocol import (
    Backend,
    Difference,
    Operation,
    RepairReport,
    Result,
    ScanPage,
    SupportsLayout,
    SupportsRepair,
)
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.page import Page, decode_token, encode_token
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.core.tasks import together
from bifrost_store.core.totals import Totals
from bifrost_store.core.version import Etag
from bifrost_store.errors import CorruptDocumentError, InvalidContinuationTokenError, InvalidRequestError
from bifrost_store.routing.blobs import RoutedBlobStore
from bifrost_store.routing.flag import BackendFlag
from bifrost_store.wrappers.checked import CheckedBackend, operation_key

_PAGE_SIZE = 500


class RoutedBackend:
    """A `Backend` that asks the flag at every call and opens backends when they are first needed.

    A call without a scope asks every backend that may hold data, in the order of their names, and keeps what the flag sends
    there: a copy that stayed behind after a flip is not seen.

    Args:
        flag: Names the backend of a scope.
        names: Every backend that may hold data.
        open_backend, open_blobs: Make what a name stands for, without waiting; called once for each.
        specs: Every kind that the store knows.
    """

    name = "routed"

    def __init__(
        self,
        flag: BackendFlag,
        names: Sequence[str],
        open_backend: Callable[[str], Backend],
        open_blobs: Callable[[str], BlobStore],
        specs: Specs,
    ) -> None:
        self._flag = flag
        self._names = sorted(names)
        self._open_backend = open_backend
        self._open_blobs = open_blobs
        self._specs = specs
        self._backends: dict[str, CheckedBackend] = {}
        self._blobs: dict[str, BlobStore] = {}

    def backend(self, name: str) -> CheckedBackend:
        """Return the backend *name*, opened on first use."""
        opened = self._backends.get(name)
        if opened is None:
            opened = self._backends[name] = CheckedBackend(self._open_backend(name), self._specs)
        return opened

    async def backend_for(self, scope: Scope) -> CheckedBackend:
        """Return the backend that answers for *scope* now."""
        return self.backend(await self._flag.backend_of(scope))

    def blobs_for(self, scope: Scope) -> BlobStore:
        """Return a blob store that goes with the backend of *scope*, also after the flag was flipped."""
        return RoutedBlobStore(lambda: self.present_blobs(scope))

    async def present_blobs(self, scope: Scope) -> BlobStore:
        """Return the blob store that goes with the backend of *scope* now."""
        return self.blobs(await self._flag.backend_of(scope))

    def blobs(self, backend: str) -> BlobStore:
        """Return the blob store that goes with *backend*, opened on first use."""
        opened = self._blobs.get(backend)
        if opened is None:
            opened = self._blobs[backend] = self._open_blobs(backend)
        return opened

    def all_backends(self) -> list[CheckedBackend]:
        """Return every backend that may hold data, in the order of their names."""
        return [self.backend(name) for name in self._names]

    def all_blobs(self) -> list[BlobStore]:
        """Return the blob store of every backend that may hold data."""
        return [self.blobs(name) for name in self._names]

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        own = await self.backend_for(key.scope)
        if fallback is None:
            return await own.get(key)
        other = await self.backend_for(fallback)
        if other is own:
            return await own.get(key, fallback=fallback)
        first, second = await together(lambda: own.get(key), lambda: other.get(replace(key, scope=fallback)))
        return first or second

    async def stored(self, key: Key) -> Record | None:
        return await (await self.backend_for(key.scope)).stored(key)

    async def create(self, record: Record, *, epoch: int = 0) -> Record:
        return await (await self.backend_for(record.key.scope)).create(record, epoch=epoch)

    async def replace(self, record: Record, expected: Etag, *, epoch: int = 0) -> Record:
        return await (await self.backend_for(record.key.scope)).replace(record, expected, epoch=epoch)

    async def delete(self, key: Key, *, expected: Etag | None = None, epoch: int = 0) -> Record | None:
        return await (await self.backend_for(key.scope)).delete(key, expected=expected, epoch=epoch)

    async def apply(self, record: Record, *, over: str | None = None) -> bool:
        return await (await self.backend_for(record.key.scope)).apply(record, over=over)

    async def batch(self, operations: Sequence[Operation], *, epoch: int = 0) -> list[Result]:
        if not operations:
            raise InvalidRequestError("batch: at least one operation")
        return await (await self.backend_for(operation_key(operations[0]).scope)).batch(operations, epoch=epoch)

    async def query(self, query: Query) -> Page[Record]:
        if query.scope is not None:
            return await (await self.backend_for(query.scope)).query(query)
        if len(self._names) == 1:
            return await self.backend(self._names[0]).query(query)
        name, token = self._start(decode_token(_across(query)))
        records: list[Record] = []
        unreadable: list[CorruptDocumentError] = []
        while True:
            rest = replace(query, limit=query.limit - len(records), continuation_token=token)
            page = await self.backend(name).query(rest)
            records += await self._routed(page, name)
            unreadable += page.unreadable
            token = page.continuation_token
            if token is None:
                later = self._names[self._names.index(name) + 1 :]
                if not later:
                    return Page(tuple(records), None, tuple(unreadable))
                name = later[0]
            if len(records) == query.limit:
                return Page(tuple(records), encode_token(_across(query), [name, token or ""]), tuple(unreadable))

    async def aggregate(self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = ()) -> list[Group]:
        """See `Backend.aggregate`. Without a scope, and with several backends, every record is read."""
        if query.scope is not None:
            return await (await self.backend_for(query.scope)).aggregate(query, group_by=group_by, sum_of=sum_of)
        if len(self._names) == 1:
            return await self.backend(self._names[0]).aggregate(query, group_by=group_by, sum_of=sum_of)
        self.backend(self._names[0]).check_aggregate(query, group_by, sum_of)
        totals = Totals(group_by, sum_of)
        rest: Query | None = replace(query, limit=_PAGE_SIZE, continuation_token=None)
        while rest is not None:
            page = await self.query(rest)
            totals.add(page)
            rest = replace(rest, continuation_token=page.continuation_token) if page.continuation_token is not None else None
        return totals.groups()

    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        start, token = self._start(_scan_place(resume_token))
        for name in self._names[self._names.index(start) :]:
            async for page in self.backend(name).scan(token if name == start else None):
                following = dump_json([name, page.resume_token])
                yield ScanPage(tuple(await self._routed(page.records, name)), page.unreadable, following)

    async def purge_expired(self, *, kind: str, limit: int = _PAGE_SIZE) -> list[Record]:
        """See `Backend.purge_expired`. A stale copy is removed where it stayed behind, but not returned: what goes with the
        record, its blobs, is that of the backend which the flag names.
        """
        for name in self._names:
            while purged := await self.backend(name).purge_expired(kind=kind, limit=limit):
                if routed := await self._routed(purged, name):
                    return routed
        return []

    async def provision(self) -> None:
        for name in self._names:
            await self.backend(name).provision()
            await self.blobs(name).provision()

    async def ping(self) -> str:
        """Return two lines for each backend that may hold data: what it says, and what its blob store says."""
        lines = []
        for name in self._names:
            lines += [await self.backend(name).ping(), await self.blobs(name).ping()]
        return "\n".join(lines)

    async def repair(self, *, old_application_stopped: bool = False) -> RepairReport:
        """Repair every backend that has something to repair."""
        report = RepairReport()
        for backend in self.all_backends():
            if isinstance(backend.inner, SupportsRepair):
                part = await backend.inner.repair(old_application_stopped=old_application_stopped)
                for what, count in part.mended.items():
                    report.note(what, count)
                report.unreadable += part.unreadable
        return report

    async def differences(self) -> list[Difference]:
        """Return what differs in every backend whose containers have policies."""
        return [one for backend in self._laid_out() for one in await backend.differences()]

    async def mend(self) -> list[Difference]:
        """Mend what can be in every such backend, and return that."""
        return [one for backend in self._laid_out() for one in await backend.mend()]

    def _laid_out(self) -> list[SupportsLayout]:
        return [backend.inner for backend in self.all_backends() if isinstance(backend.inner, SupportsLayout)]

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            async with AsyncExitStack() as stack:
                for backend in self._backends.values():
                    stack.push_async_callback(backend.aclose)
                for blobs in self._blobs.values():
                    stack.push_async_callback(blobs.aclose)

    async def _routed(self, records: Iterable[Record], name: str) -> list[Record]:
        """Return those of *records* that the flag sends to the backend they were found in."""
        if self._flag.only is not None:
            return list(records)
        names: dict[Scope, str] = {}
        for record in (records := list(records)):
            if record.key.scope not in names:
                names[record.key.scope] = await self._flag.backend_of(record.key.scope)
        return [record for record in records if names[record.key.scope] == name]

    def _start(self, place: list[str] | None) -> tuple[str, str | None]:
        """Return the backend to go on with, and its own token there."""
        if place is None:
            return self._names[0], None
        name, token = place
        if name not in self._names:
            raise InvalidContinuationTokenError(f"continuation token: the backend {name!r} is no longer in use; start again")
        return name, token or None


def _across(query: Query) -> Query:
    """Return what tokens across backends belong to, so that no backend takes one for its own."""
    return replace(query, kind=f"{query.kind} across backends")


def _scan_place(resume_token: str | None) -> list[str] | None:
    if resume_token is None:
        return None
    try:
        place = load_json(resume_token)
    except ValueError:
        place = None
    if not isinstance(place, list) or [type(part) for part in place] != [str, str]:
        raise InvalidContinuationTokenError("resume token: not one that this store gave out; scan from the beginning")
    return place
