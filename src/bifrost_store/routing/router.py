"""The waist that follows the flag: each call goes to the backend of its scope."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import anyio

from bifrost_store.backends.protocol import Backend, Operation, RepairReport, ScanPage, SupportsRepair
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.page import Page
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.core.version import Etag
from bifrost_store.errors import InvalidContinuationTokenError, InvalidRequestError
from bifrost_store.routing.flag import BackendFlag
from bifrost_store.wrappers.checked import CheckedBackend, operation_key

T = TypeVar("T")


class RoutedBackend:
    """A `Backend` that asks the flag at every call and opens backends when they are first needed.

    Args:
        flag: Names the backend of a scope.
        configured: Names of every backend that may hold data; asked where a call concerns all scopes.
        open_backend, open_blobs: Make what a name stands for; called once for each.
        specs: Every kind that the store knows.
    """

    name = "routed"

    def __init__(
        self,
        flag: BackendFlag,
        configured: Sequence[str],
        open_backend: Callable[[str], Backend],
        open_blobs: Callable[[str], BlobStore],
        specs: Specs,
    ) -> None:
        self._flag = flag
        self._configured = list(configured)
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

    def backend_for(self, scope: Scope) -> CheckedBackend:
        """Return the backend that answers for *scope* now."""
        return self.backend(self._flag.backend_of(scope))

    def blobs_for(self, scope: Scope) -> BlobStore:
        """Return the blob store that goes with the backend of *scope*."""
        return self.blobs(self._flag.backend_of(scope))

    def blobs(self, backend: str) -> BlobStore:
        """Return the blob store that goes with *backend*, opened on first use."""
        opened = self._blobs.get(backend)
        if opened is None:
            opened = self._blobs[backend] = self._open_blobs(backend)
        return opened

    def all_backends(self) -> list[CheckedBackend]:
        """Return every backend that may hold data, in the order of their names."""
        names = {self._flag.backend_of(scope) for scope in (Scope("GLOBAL"),)} if self._flag.is_static else set(self._configured)
        return [self.backend(name) for name in sorted(names)]

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        own = self.backend_for(key.scope)
        if fallback is None:
            return await own.get(key)
        other = self.backend_for(fallback)
        if other is own:
            return await own.get(key, fallback=fallback)
        return await _first_found(own, key, other, replace(key, scope=fallback))

    async def create(self, record: Record, *, epoch: int = 0) -> Record:
        return await self.backend_for(record.key.scope).create(record, epoch=epoch)

    async def replace(self, record: Record, expected: Etag, *, epoch: int = 0) -> Record:
        return await self.backend_for(record.key.scope).replace(record, expected, epoch=epoch)

    async def delete(self, key: Key, *, expected: Etag | None = None, epoch: int = 0) -> bool:
        return await self.backend_for(key.scope).delete(key, expected=expected, epoch=epoch)

    async def apply(self, record: Record, *, over: str | None = None) -> bool:
        return await self.backend_for(record.key.scope).apply(record, over=over)

    async def batch(self, operations: Sequence[Operation], *, epoch: int = 0) -> list[Record | bool]:
        if not operations:
            raise InvalidRequestError("batch: at least one operation")
        return await self.backend_for(operation_key(operations[0]).scope).batch(operations, epoch=epoch)

    async def query(self, query: Query) -> Page[Record]:
        if query.scope is not None:
            return await self.backend_for(query.scope).query(query)
        backends = self.all_backends()
        if len(backends) == 1:
            return await backends[0].query(query)
        name, token = _split_token(query.continuation_token, [backend.name for backend in backends])
        position = next(n for n, backend in enumerate(backends) if backend.name == name)
        page = await backends[position].query(replace(query, continuation_token=token))
        kept = tuple(record for record in page if self._flag.backend_of(record.key.scope) == name)
        if page.continuation_token is not None:
            following: str | None = json.dumps([name, page.continuation_token])
        else:
            following = json.dumps([backends[position + 1].name, None]) if position + 1 < len(backends) else None
        return Page(kept, following, page.unreadable)

    async def aggregate(self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = ()) -> list[Group]:
        if query.scope is None:
            backends = self.all_backends()
            if len(backends) > 1:
                raise InvalidRequestError("aggregate: name a scope while scopes are spread over several backends")
            return await backends[0].aggregate(query, group_by=group_by, sum_of=sum_of)
        return await self.backend_for(query.scope).aggregate(query, group_by=group_by, sum_of=sum_of)

    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        backends = self.all_backends()
        name, token = _split_token(resume_token, [backend.name for backend in backends])
        for backend in backends:
            if backend.name < name:
                continue
            async for page in backend.scan(token if backend.name == name else None):
                kept = tuple(r for r in page.records if self._flag.backend_of(r.key.scope) == backend.name)
                yield ScanPage(kept, page.unreadable, json.dumps([backend.name, page.resume_token]))

    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        for backend in self.all_backends():
            purged = await backend.purge_expired(kind=kind, limit=limit)
            if purged:
                return purged
        return []

    async def provision(self) -> None:
        for backend in self.all_backends():
            await backend.provision()
            await self.blobs(backend.name).provision()

    async def ping(self) -> str:
        lines = []
        for backend in self.all_backends():
            lines += [await backend.ping(), await self.blobs(backend.name).ping()]
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

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            opened_here: list[Backend | BlobStore] = [*self._backends.values(), *self._blobs.values()]
            for opened in opened_here:
                await opened.aclose()


async def _first_found(own: Backend, key: Key, other: Backend, fallback: Key) -> Record | None:
    found: dict[str, Record | None] = {}

    async def get(what: str, backend: Backend, wanted: Key) -> None:
        found[what] = await backend.get(wanted)

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(get, "own", own, key)
            group.start_soon(get, "fallback", other, fallback)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return found["own"] or found["fallback"]


def _split_token(token: str | None, names: list[str]) -> tuple[str, str | None]:
    """Return the backend that a token belongs to, and its own token there."""
    if token is None:
        return names[0], None
    try:
        name, inner = json.loads(token)
    except (ValueError, TypeError):
        raise InvalidContinuationTokenError("continuation token: not one that this library gave out") from None
    if name not in names:
        raise InvalidContinuationTokenError(f"continuation token: the backend {name!r} is no longer in use; start again")
    return name, inner
