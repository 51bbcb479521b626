"""One process among those that serve a store: its leases, the routes it knows, and when its operations may begin and end."""

from __future__ import annotations

import logging
import os
import platform
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial

import anyio
from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import LEASED
from bifrost_store.core.record import Key
from bifrost_store.core.retention import Recorded
from bifrost_store.core.scope import SYSTEM, Scope
from bifrost_store.core.spec import Specs
from bifrost_store.core.tasks import apart
from bifrost_store.errors import (
    BackendError,
    BackendUnavailableError,
    ConfigurationError,
    OutcomeUnknownError,
    StaleRouteError,
    StoreError,
)
from bifrost_store.routing.control import Control, Route
from bifrost_store.routing.flag import BackendFlag
from bifrost_store.routing.membership.background import Background
from bifrost_store.routing.membership.known import Known
from bifrost_store.routing.membership.leases import Lease
from bifrost_store.routing.membership.participant import News, Participant, is_prepared, move_in
from bifrost_store.routing.membership.serving import Serving
from bifrost_store.routing.membership.watching import Sweep, Watch
from bifrost_store.routing.timing import Timing, running_seconds

_logger = logging.getLogger("bifrost_store.routing")


@dataclass(frozen=True, slots=True)
class Standing:
    """Under what one operation began.

    Attributes:
        route: Of its scope.
        backend: Answers, and tells the secondary if there is one.
        plain: The same without shadow reads.
        lease_id: The lease it began under; None where none is needed.
    """

    route: Route
    backend: Backend
    plain: Backend
    lease_id: str | None


@dataclass(frozen=True, slots=True)
class _NeedsLease:
    store: str

    @override
    def __str__(self) -> str:
        return f"{self.store} answers too slowly for this process to renew its lease there"


@dataclass(frozen=True, slots=True)
class _NeedsLook:
    """The other store's document knows of a later route than that of the store which it makes primary."""

    store: str
    scope: Scope

    @override
    def __str__(self) -> str:
        return f"the control documents differ about {self.scope}"


class LeaseLostError(StaleRouteError):
    """The lease that an operation began under was lost before it ended: what it answered counts for nothing."""


class Member:
    """Follows the flag, and from `start` on the control documents. Safe for concurrent use within one event loop.

    Args:
        flag: Names the backend of a scope before a migration.
        open_backend: Returns the backend of a name, the same one each time.
        specs: Every kind that the store knows.
        can_open: Whether the settings say enough of a backend.
        shadow_share: Of all reads under a route with a secondary, those that are repeated there and compared, 0 to 1.
        timing: Of all processes of a migration.
        monotonic: Seconds of a clock that runs on while the machine sleeps.
        sleep: Waits for so many seconds.
        recorded: Is told the retention that the control documents record.
    """

    def __init__(
        self,
        flag: BackendFlag,
        open_backend: Callable[[str], Backend],
        specs: Specs,
        *,
        can_open: Callable[[str], bool] = lambda name: True,
        shadow_share: float = 0.0,
        timing: Timing | None = None,
        monotonic: Callable[[], float] = running_seconds,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        recorded: Recorded | None = None,
    ) -> None:
        self._flag = flag
        self._can_open = can_open
        self._timing = timing or Timing()
        self._known = Known(recorded)
        self._monotonic = monotonic
        self.background = Background(sleep=sleep)
        self._serving = Serving(
            open_backend,
            specs,
            can_open=can_open,
            shadow_share=shadow_share,
            route_of=self._known.route_of,
            patience=self._timing.patience,
            background=self.background,
            linger=self._timing.lease,
        )
        self._process = f"{platform.node()} {os.getpid()} {uuid.uuid4().hex[:8]}"
        self._copies = self._serving.copies
        self._leases: dict[str, Lease] = {}
        self._under_way: dict[Scope, int] = {}
        self._stood: dict[Scope, Standing] = {}
        self._sweeps: dict[str, Sweep] = {}
        self._news = News(self._timing.poll)
        self._participant = Participant(
            self._copies, self._under_way, self._serving.drain, self._news, timing=self._timing, monotonic=monotonic
        )

    async def route_of(self, scope: Scope) -> Route:
        """Return where the data of *scope* goes now."""
        return (await self._begin([scope]))[0].route

    async def primaries(self, configured: Sequence[str]) -> list[str]:
        """Return the names of all backends that answer for some scope, of which before a migration any of *configured* may."""
        control = self._known.control
        if control is None and (first := self._flag.only) is not None and first in LEASED:
            await self._live_lease(first)
            control = self._known.control
        if control is None:
            return sorted(configured)
        for route in control.routes.values():
            if not control.finished:
                await self._live_lease(route.primary)
        control = self._known.control or control
        return sorted({route.primary for route in control.routes.values()})

    @asynccontextmanager
    async def operation(self, *scopes: Scope) -> AsyncIterator[list[Standing]]:
        """Begin an operation on *scopes* when that may be (W1, L6), and end it only if its answer counts (W6).

        Raises:
            BackendUnavailableError: A hand-over did not end in time; try again.
            LeaseLostError: The block has ended, but its answer does not count.
        """
        standings = await self._begin(scopes)
        for scope in scopes:
            self._under_way[scope] = self._under_way.get(scope, 0) + 1
        try:
            try:
                yield standings
            # None of these answers anything, so that there is nothing that could be wrong (W6).
            except (StaleRouteError, OutcomeUnknownError, BackendError):
                raise
            except StoreError:
                await self._check_answers(standings)  # a refusal is an answer too
                raise
            await self._check_answers(standings)
        finally:
            for scope in scopes:
                left = self._under_way.pop(scope) - 1
                if left:
                    self._under_way[scope] = left
            self._news.tell()

    @asynccontextmanager
    async def operation_everywhere(self) -> AsyncIterator[list[str] | None]:
        """Begin and end an operation on every scope, as `operation` does; yield the names of the backends that answer for some.

        Before a migration it yields None: any backend may answer, and none hands over.
        """
        if self._known.control is None:
            yield None
            return
        while True:
            exact = self._known.exact_scopes()
            # No route key can be SYSTEM, so it stands for every scope without one.
            async with self.operation(SYSTEM, *exact) as standings:
                if self._known.exact_scopes() == exact:  # none was given a route of its own while this waited to begin
                    yield sorted({standing.route.primary for standing in standings})
                    return

    async def _check_answers(self, standings: Sequence[Standing]) -> None:
        for standing in standings:
            if not self.may_send(standing):
                await self._check_answer(standing)

    async def _check_answer(self, standing: Standing) -> None:
        """Return once the lease that an operation began under is live (W6).

        Raises:
            LeaseLostError: It was lost.
        """
        lease = self._leases[standing.route.primary]
        if not lease.is_live and lease.id == standing.lease_id:
            try:
                await self._renew(lease)
            except BackendError as error:  # not the operation's own: whether its answer counts is open
                raise LeaseLostError(f"the lease of this process in {lease.store} has ended", backend=lease.store) from error
        # A lease under another id does not do: before it was joined, the journal may have been read without this write (W6).
        if lease.id != standing.lease_id:
            raise LeaseLostError(f"the lease of this process in {lease.store} was lost; try again", backend=lease.store)

    def may_send(self, standing: Standing) -> bool:
        """Return whether a write of the operation may leave now (W2)."""
        if standing.lease_id is None:
            return True
        lease = self._leases[standing.route.primary]
        return lease.id == standing.lease_id and lease.is_live

    async def look_anew(self, standing: Standing) -> None:
        """Read the control documents, because a record was found that a later route wrote (W3)."""
        lease = self._leases.get(standing.route.primary)
        if lease is not None:
            await self._look(lease)

    async def journal_soon(self, standing: Standing, keys: Sequence[Key]) -> None:
        """Journal those of *keys* of which it is not known what the store of *standing* holds; what fails stays pending."""
        if (dual := self._serving.dual(standing.route)) is not None:
            await dual.mirror.journal_soon(keys)

    @property
    def control(self) -> Control | None:
        """The control document as this process knows it; None outside of migrations."""
        return self._known.control

    async def aclose(self) -> None:
        """End what was begun, journal what is pending, and leave. A store that does not answer then is left with the lease."""
        await self.background.aclose()
        await self._participant.aclose()
        is_settled = await self._serving.aclose()
        for lease in self._leases.values():
            # L4: with anything pending the row is to lapse, so that what this process wrote last is compared (J4).
            if is_settled:
                with suppress(StoreError):
                    await lease.leave()

    async def _begin(self, scopes: Sequence[Scope]) -> list[Standing]:
        """Return under what operations on *scopes* begin, all of them at this moment."""
        gives_up_at: float | None = None
        before: object = None
        while True:
            is_flagged = self._known.control is None
            flagged = [await self._flag.backend_of(scope) if is_flagged else "" for scope in scopes]
            # Before looking, so that what is told while it looks is not slept through.
            self._news.clear()
            standings = list(map(self._at_once, scopes, flagged))
            begun = [one for one in standings if isinstance(one, Standing)]
            if len(begun) == len(standings):
                return begun
            obstacle = next(one for one in standings if not isinstance(one, Standing))
            now = self._monotonic()
            gives_up_at = gives_up_at or now + self._timing.wait
            if now >= gives_up_at:
                raise BackendUnavailableError(f"{obstacle}, for {self._timing.wait:g} seconds by now; try again")
            if isinstance(obstacle, _NeedsLease):
                await self._live_lease(obstacle.store)
                continue
            # Looking once may show the outcome of a hand-over; where it does not, that copy is still being raised (D2).
            if not isinstance(obstacle, _NeedsLook) or obstacle == before:
                await self._news.wait()
            if isinstance(obstacle, _NeedsLook):
                await self._look(self._leases[obstacle.store])
            before = obstacle

    def _at_once(self, scope: Scope, flagged: str) -> Standing | _NeedsLease | _NeedsLook | str:
        """Return under what an operation may begin now, what it lacks, or why it must wait (L6)."""
        route, control = self._known.route_of(scope) or _alone(flagged), self._known.control
        name = route.primary
        if name not in LEASED or (control is not None and control.finished):
            lack = self._copies.lack_of(name)
            if lack is not None and lack.what == "foreign":
                return _misses(lack, scope)
            return self._stand(scope, route)
        lease = self._leases.get(name)
        if lease is None or not lease.is_live:
            return _NeedsLease(name)
        copy = lease.seen.get(name)
        if copy is None:
            # Before the hand-over of `start` the source may have none.
            if route.epoch == 0 and route.secondary is None:
                return self._stand(scope, route, lease)
            return _misses(self._copies.lack_of(name) or f"{name} has no control document", scope)
        # The later of both copies counts (D1), but the primary's own must say so too (L6).
        if copy.control.route_of(scope) != route:
            return _NeedsLook(name, scope)
        if copy.control.is_moving(scope) and is_prepared(copy.control):
            return f"{scope} is being handed over"
        return self._stand(scope, route, lease)

    def _stand(self, scope: Scope, route: Route, lease: Lease | None = None) -> Standing:
        lease_id = None if lease is None else lease.id
        stood = self._stood.get(scope)
        if stood is None or stood.route is not route or stood.lease_id != lease_id:
            backend, plain = self._serving.backend(route), self._serving.plain(route)
            stood = self._stood[scope] = Standing(route, backend, plain, lease_id)
        return stood

    async def _live_lease(self, store: str) -> None:
        lease = self._lease(store)
        if not lease.is_live:
            await self._renew(lease)

    def _lease(self, store: str) -> Lease:
        """Return the lease in a store, attended to from now on; it may have to be joined yet."""
        lease = self._leases.get(store)
        if lease is None:
            backend = self._serving.store(store, is_routed=self._known.control is not None)
            for other in LEASED - {store}:
                if self._can_open(other):
                    with suppress(ConfigurationError):
                        self._serving.store(other)  # so that both copies are read, before the first operation (D4)
            lease = self._leases[store] = Lease(
                store,
                backend,
                self._copies,
                process=self._process,
                monotonic=self._monotonic,
                timing=self._timing,
                told=self._known.learn,
            )
            self._sweeps[store] = Sweep(Watch(store, backend, monotonic=self._monotonic, timing=self._timing))
        self.background.keep(
            f"lease in {store}", partial(self._attend, lease), first_pause_seconds=self._timing.poll, longest_pause_seconds=1.0
        )
        return lease

    async def _renew(self, lease: Lease) -> None:
        problem = "; ".join(f"{name}: {what}" for name, what in self.background.problems.items()) or None
        await apart(lease.renew(flag=self._flag.only, problem=problem))
        self._news.tell()

    async def _look(self, lease: Lease) -> None:
        await apart(lease.look())
        self._news.tell()

    async def _control_of(self, lease: Lease) -> Control | None:
        await lease.look()
        copy = lease.seen.get(lease.store)
        return None if copy is None else copy.control

    async def _attend(self, lease: Lease) -> float:
        """Renew a lease if it is time, and do what is to be done on each observation under it; return when to look again."""
        return self._timing.poll if await self._attend_once(lease) else min(self._timing.renew / 10, 1.0)

    async def _attend_once(self, lease: Lease) -> bool:
        """Return whether the documents are to be read again soon."""
        control = self._known.control
        if control is not None and control.finished:
            return False
        for name in () if control is None else control.stores:
            if self._can_open(name) and (name in self._known.primaries or not self._copies.lack_of(name)):
                self._lease(name)
        if self._copies.lack_of(lease.store) and lease.store not in self._known.primaries:
            return False  # nothing of this process belongs there
        if lease.is_due:
            await self._renew(lease)
        elif move_in(lease) is not None:
            await self._look(lease)
        is_watched = await self._participant.take_part(lease)
        await self._sweeps[lease.store].now_and_then(partial(self._control_of, lease))
        return is_watched


def _misses(lack: object, scope: Scope) -> str:
    return f"{lack}, though it is to answer for {scope}: see `bifrost-store migrate status`"


@cache
def _alone(name: str) -> Route:
    """Return the route that a flag stands for."""
    return Route(primary=name)
