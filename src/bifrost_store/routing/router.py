"""The waist that follows the flag: each call goes to the backend of its scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from typing_extensions import override

from bifrost_store.backends.protocol import Backend, Layout, Repair, ScanPage
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.json import dump_json
from bifrost_store.core.loops import OwnLoop
from bifrost_store.core.operations import Operation, Result
from bifrost_store.core.page import Page, decode_token, encode_token
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.retention import Recorded
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.core.tasks import together
from bifrost_store.core.totals import Totals
from bifrost_store.errors import (
    BackendError,
    BackendUnavailableError,
    CorruptDocumentError,
    InvalidRequestError,
    OutcomeUnknownError,
    StaleRouteError,
)
from bifrost_store.routing.blobs import RoutedBlobStore
from bifrost_store.routing.flag import BackendFlag
from bifrost_store.routing.membership.member import LeaseLostError, Member, Standing
from bifrost_store.routing.paging import across, add_pages, scan_place, start_of
from bifrost_store.routing.timing import Timing
from bifrost_store.wrappers.checked import CheckedBackend

if TYPE_CHECKING:
    from bifrost_store.backends.execution_data import DataPlace, ExecutionData

_PAGE_SIZE: Final = 500
_ATTEMPTS: Final = 8
T = TypeVar("T")


class RoutedBackend(Backend):
    """A `Backend` that follows the routes at every call and opens backends when they are first needed.

    Before a migration the flag names them, from then on the control documents; see `Member`. A write whose lease was
    lost meanwhile is settled under the route as it is then, a read is made again.

    A call without a scope asks every backend that may hold data, in the order of their names, and keeps what the routes send
    there: a copy that stayed behind after a flip is not seen.

    Args:
        flag: Names the backend of a scope before a migration.
        names: Every backend that may hold data then.
        open_backend, open_blobs: Make what a name stands for, without waiting; called once for each.
        specs: Every kind that the store knows.
        can_open: Whether the settings say enough of a backend.
        timing: Of all processes of a migration.
        shadow_share: Of reads that a second store is asked too, 0 to 1.
        recorded: What the backends know of a recorded retention; told here.
    """

    def __init__(
        self,
        flag: BackendFlag,
        names: Sequence[str],
        open_backend: Callable[[str], Backend],
        open_blobs: Callable[[str], BlobStore],
        specs: Specs,
        *,
        can_open: Callable[[str], bool] = lambda name: True,
        timing: Timing | None = None,
        shadow_share: float = 0.0,
        recorded: Recorded | None = None,
    ) -> None:
        self._names = sorted(names)
        self._open_backend = open_backend
        self._open_blobs = open_blobs
        self._can_open = can_open
        self._specs = specs
        self._recorded = recorded or Recorded()
        self._backends: dict[str, Backend] = {}
        self._checked: dict[int, CheckedBackend] = {}
        self._blobs: dict[str, BlobStore] = {}
        self._loop = OwnLoop()
        self.member = Member(
            flag,
            self._opened,
            specs,
            can_open=can_open,
            timing=timing,
            shadow_share=shadow_share,
            recorded=self._recorded,
        )

    @property
    @override
    def name(self) -> str:
        return "routed"

    def backend(self, name: str) -> CheckedBackend:
        """Return the backend *name*, opened on first use."""
        return self._check(self._opened(name))

    def _opened(self, name: str) -> Backend:
        opened = self._backends.get(name)
        if opened is None:
            opened = self._backends[name] = self._open_backend(name)
        return opened

    def _check(self, backend: Backend) -> CheckedBackend:
        checked = self._checked.get(id(backend))
        if checked is None:
            checked = self._checked[id(backend)] = CheckedBackend(backend, self._specs, recorded=self._recorded)
        return checked

    def blobs_for(self, scope: Scope) -> BlobStore:
        """Return a blob store that goes with the backend of *scope*, also after the flag was flipped."""
        return RoutedBlobStore(lambda: self.present_blobs(scope))

    async def present_blobs(self, scope: Scope) -> BlobStore:
        """Return the blob store that goes with the backend of *scope* now."""
        self._loop.check()
        return self.blobs((await self.member.route_of(scope)).primary)

    async def data_place(self, scope: Scope) -> DataPlace:
        """Return where the execution data of *scope* goes now: to the primary if that keeps any, else to the secondary.

        So a hand-over changes nothing for a recording that is under way.
        """
        from bifrost_store.backends.execution_data import DataPlace  # noqa: PLC0415 - for those who record

        self._loop.check()
        route = await self.member.route_of(scope)
        names = [name for name in (route.primary, route.secondary) if name is not None]
        kept = {name: data for name in names if self._can_open(name) and (data := self.backend(name).execution_data) is not None}
        store = next(iter(kept), None)
        return DataPlace(store, kept.get(store or ""), len(kept) == len(names))

    async def data_stores(self) -> dict[str, ExecutionData]:
        """Return the execution data of every store that may hold some of a scope's, by the store's name."""
        names = {*self._names, *await self.serving_names()}
        control = self.member.control
        if control is not None:
            names |= {name for route in control.routes.values() for name in (route.primary, route.secondary) if name is not None}
        found = {name: self.backend(name).execution_data for name in sorted(names) if self._can_open(name)}
        return {name: data for name, data in found.items() if data is not None}

    def blobs(self, backend: str) -> BlobStore:
        """Return the blob store that goes with *backend*, opened on first use."""
        opened = self._blobs.get(backend)
        if opened is None:
            opened = self._blobs[backend] = self._open_blobs(backend)
        return opened

    def all_backends(self) -> list[CheckedBackend]:
        """Return every backend that may hold data, in the order of their names."""
        self._loop.check()
        return [self.backend(name) for name in self._names]

    def all_blobs(self) -> list[BlobStore]:
        """Return the blob store of every backend that may hold data."""
        return [self.blobs(name) for name in self._names]

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        if fallback is None:
            return await self._read(lambda own: own.get(key), key.scope)

        async def read(own: Backend, other: Backend) -> Record | None:
            if other is own:
                return await own.get(key, fallback=fallback)
            first, second = await together(lambda: own.get(key), lambda: other.get(replace(key, scope=fallback)))
            return first or second

        return await self._read(read, key.scope, fallback)

    @override
    async def stored(self, key: Key) -> Record | None:
        return await self._read(lambda own: own.stored(key), key.scope)

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        """See `Backend.write`. The terms are those of the route, in place of the given ones."""
        self._loop.check()
        if not operations:
            raise InvalidRequestError("batch: at least one operation")
        scope = operations[0].key.scope
        for _ in range(_ATTEMPTS):
            begun: Standing | None = None
            try:
                async with self.member.operation(scope) as [standing]:
                    begun, attempt = standing, self._attempt(standing)
                    return await self._check(standing.backend).write(operations, attempt=attempt)
            except (StaleRouteError, OutcomeUnknownError):
                if begun is None or begun.lease_id is None:
                    raise
                if attempt.is_sent:
                    try:
                        return await self._settle(attempt, operations, begun)
                    except OutcomeUnknownError:
                        await self.member.journal_soon(begun, [operation.key for operation in operations])
                        raise
                await self.member.look_anew(begun)
        raise BackendUnavailableError(f"{scope}: the route keeps changing; try again", operation="write")

    def _attempt(self, standing: Standing) -> Attempt:
        if standing.lease_id is None:
            return Attempt(standing.route.epoch)
        return Attempt(standing.route.epoch, standing.lease_id, partial(self.member.may_send, standing))

    async def _read(self, read: Callable[..., Awaitable[T]], *scopes: Scope) -> T:
        """Return what *read* answers, given a backend for each of *scopes*."""
        self._loop.check()
        for _ in range(_ATTEMPTS):
            with suppress(LeaseLostError):
                async with self.member.operation(*scopes) as standings:
                    return await read(*(self._check(standing.backend) for standing in standings))
        raise _keeps_losing()

    async def _read_everywhere(self, read: Callable[[Sequence[str]], Awaitable[T]]) -> T:
        """Return what *read* answers, given the names of all backends that answer for some scope."""
        for _ in range(_ATTEMPTS):
            names = await self.serving_names()
            with suppress(LeaseLostError):
                async with self.member.operation_everywhere() as routed:
                    return await read(routed or names)
        raise _keeps_losing()

    async def _settle(self, attempt: Attempt, operations: Sequence[Operation], begun: Standing) -> list[Result]:
        """Find out what became of a write whose answer or lease was lost, and bring it to its end (W7)."""
        from bifrost_store.routing.membership.settle import settle  # noqa: PLC0415 - rare

        scope = operations[0].key.scope
        for _ in range(_ATTEMPTS):
            try:
                async with self.member.operation(scope) as [now]:
                    attempt.epoch, attempt.may_send = now.route.epoch, partial(self.member.may_send, now)
                    return await settle(attempt, operations, now.plain, is_lease_lost=now.lease_id != begun.lease_id)
            except StaleRouteError:
                with suppress(BackendError):
                    await self.member.look_anew(begun)
            except BackendError as error:
                if not attempt.is_sent:
                    raise
                raise _unknown(operations) from error
        raise _unknown(operations)

    @override
    async def query(self, query: Query) -> Page[Record]:
        if query.scope is not None:
            return await self._read(lambda own: own.query(query), query.scope)
        return await self._read_everywhere(lambda names: self._query_across(query, names))

    async def _query_across(self, query: Query, names: Sequence[str]) -> Page[Record]:
        if len(names) == 1:
            return await self.backend(names[0]).query(query)
        name, token = start_of(names, decode_token(across(query)))
        records: list[Record] = []
        unreadable: list[CorruptDocumentError] = []
        while True:
            rest = replace(query, limit=query.limit - len(records), continuation_token=token)
            page = await self.backend(name).query(rest)
            records += await self._routed(page, name)
            unreadable += page.unreadable
            token = page.continuation_token
            if token is None:
                later = names[names.index(name) + 1 :]
                if not later:
                    return Page(tuple(records), None, tuple(unreadable))
                name = later[0]
            if len(records) == query.limit:
                return Page(tuple(records), encode_token(across(query), [name, token or ""]), tuple(unreadable))

    @override
    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        """See `Backend.aggregate`. Without a scope, and with several backends, every record is read."""

        async def ask(backend: Backend) -> list[Group]:
            return await backend.aggregate(query, group_by=group_by, sum_of=sum_of, histogram_of=histogram_of)

        if query.scope is not None:
            return await self._read(ask, query.scope)

        async def aggregate(names: Sequence[str]) -> list[Group] | None:
            self.backend(names[0]).check_aggregate(query, group_by, sum_of, histogram_of)
            return await ask(self.backend(names[0])) if len(names) == 1 else None

        groups = await self._read_everywhere(aggregate)
        if groups is not None:
            return groups
        totals = Totals(group_by, sum_of, histogram_of)
        await add_pages(totals, replace(query, limit=_PAGE_SIZE, continuation_token=None), self.query)
        return totals.groups()

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        names = await self.serving_names()
        start, token = start_of(names, scan_place(resume_token))
        for name in names[names.index(start) :]:
            async for page in self.backend(name).scan(token if name == start else None):
                following = dump_json([name, page.resume_token])
                yield ScanPage(tuple(await self._routed(page.records, name)), page.unreadable, following, page.rejected)

    @override
    async def purge_expired(self, *, kind: str, limit: int = _PAGE_SIZE) -> list[Record]:
        """See `Backend.purge_expired`. A stale copy is removed where it stayed behind, but not returned: what goes with the
        record, its blobs, is that of the backend which the routes name.
        """
        for name in await self.serving_names():
            while purged := await self.backend(name).purge_expired(kind=kind, limit=limit):
                if routed := await self._routed(purged, name):
                    return routed
        return []

    @override
    async def provision(self) -> None:
        for name in self._names:
            await self.backend(name).provision()
            await self.blobs(name).provision()

    @override
    async def ping(self) -> str:
        """Return two lines for each backend that may hold data: what it says, and what its blob store says."""
        lines = []
        for name in self._names:
            lines += [await self.backend(name).ping(), await self.blobs(name).ping()]
        return "\n".join(lines)

    @property
    @override
    def repair(self) -> Repair:
        """Repairs every backend that has something to repair, and names what cannot be read in any, as `scan` finds it."""
        from bifrost_store.routing.powers import RepairOfAll  # noqa: PLC0415 - for operators

        return RepairOfAll(self.all_backends())

    @property
    @override
    def layout(self) -> Layout:
        """That of every backend which has one, one after the other."""
        from bifrost_store.routing.powers import LayoutOfAll  # noqa: PLC0415 - for operators

        return LayoutOfAll([layout for backend in self.all_backends() if (layout := backend.layout) is not None])

    @override
    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self._close_backends)
                await self.member.aclose()

    async def _close_backends(self) -> None:
        async with AsyncExitStack() as stack:
            for backend in self._backends.values():
                stack.push_async_callback(backend.aclose)
            for blobs in self._blobs.values():
                stack.push_async_callback(blobs.aclose)

    async def serving_names(self) -> list[str]:
        """Return the names of all backends that answer for some scope now."""
        self._loop.check()
        return await self.member.primaries(self._names)

    async def _routed(self, records: Iterable[Record], name: str) -> list[Record]:
        """Return those of *records* that the routes send to the backend they were found in."""
        control = self.member.control
        if control is not None:
            return [record for record in records if control.route_of(record.key.scope).primary == name]
        names: dict[Scope, str] = {}
        for record in (records := list(records)):
            if record.key.scope not in names:
                names[record.key.scope] = (await self.member.route_of(record.key.scope)).primary
        return [record for record in records if names[record.key.scope] == name]


def _keeps_losing() -> BackendUnavailableError:
    return BackendUnavailableError("this process keeps losing its lease; try again", operation="read")


def _unknown(operations: Sequence[Operation]) -> OutcomeUnknownError:
    key = operations[0].key
    return OutcomeUnknownError(f"{key}: what became of the write cannot be told; read it before trying again", key=str(key))
