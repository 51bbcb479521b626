"""`Watchers`: who watches: negotiate, join and leave, the same for a hub of this process and for Azure SignalR Service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bifrost_store.core.scope import Scope
from bifrost_store.documents.execution import check_execution_id
from bifrost_store.errors import InvalidKeyError, StoreError
from bifrost_store.realtime.access import MayWatch, Principal, View, nobody
from bifrost_store.realtime.delivering import live_store
from bifrost_store.realtime.grants import Grant, Grants, InvalidGrantError
from bifrost_store.realtime.groups import run_group, runs_group
from bifrost_store.realtime.telemetry import RealtimeTelemetry
from bifrost_store.signalr import Connection, ConnectionNotFoundError, Hub, HubError, Negotiation, Sender
from bifrost_store.store import Store


class WatchRefusedError(StoreError):
    """There is no such run or connection, or it is not the caller's to watch: which of them is not told."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a connection watches from now on.

    Attributes:
        scope: Whose run it is: GLOBAL, where the scope that was asked for has none; of a list, the scope.
        view: How much is shown.
        is_live: What happens will be told of. Else it is to be read now and then: real time is off, or the store has no feed.
        grant: The connection is held by another process of the hub: the client calls the hub's method ``watch`` with this, and
            watches from then on. Else None.
    """

    scope: Scope
    view: View
    is_live: bool
    grant: str | None = None


class Watchers:
    """Lets clients watch runs, and lists of runs.

    Args:
        store: Has the runs.
        sender: The hub of this process, or Azure SignalR Service.
        may_watch: Decides; by default nobody may watch anything.
        begin: Sees to it that a scope's changes are read, and returns whether they can be: `FeedWatch.watch` of a hub's process;
            None: another process reads them.
        grants: For a hub of several processes, as requests and connections of a client may reach different ones.
        telemetry: Hears of refusals.
    """

    def __init__(
        self,
        store: Store,
        sender: Sender,
        *,
        may_watch: MayWatch = nobody,
        begin: Callable[[Scope], Awaitable[bool]] | None = None,
        grants: Grants | None = None,
        telemetry: RealtimeTelemetry | None = None,
    ) -> None:
        self._store = store
        self._sender = sender
        self._may_watch = may_watch
        self._begin = begin
        self._grants = grants
        self._telemetry = telemetry or RealtimeTelemetry()

    async def negotiate(self, principal: Principal) -> Negotiation:
        """Return where *principal* connects to, with a ticket that is theirs alone and soon of no use."""
        return await self._sender.negotiate(principal.user_id)

    async def join(self, principal: Principal, connection_id: str, scope: Scope, execution_id: str | None = None) -> Watch:
        """Let a connection watch a run, or for None a scope's list of runs. What is there already is to be read afterwards.

        Raises:
            WatchRefusedError: See there.
        """
        run = None
        if execution_id is not None:
            run = await self._store.executions.get(scope, execution_id)
            if run is None:
                raise self._refused("unknown")
        view = await self._may_watch(principal, scope, run)
        if view is None:
            raise self._refused("not_allowed")
        await self._check_own(principal, connection_id)
        where = scope if run is None else run.scope
        joined, left = _groups(principal, where, execution_id, view)
        grant = Grant(connection_id, where, joined, left)
        try:
            return Watch(where, view, await self._enter(grant))
        except ConnectionNotFoundError:
            if self._grants is None:
                raise self._refused("unknown_connection") from None
            return Watch(where, view, await live_store(self._store, where) is not None, self._grants.sign(grant))

    async def enter(self, connection_id: str, grant: object) -> bool:
        """Let a connection of this process watch what `join` of another one allowed; return whether it is told of.

        Raises:
            WatchRefusedError: The grant is not for this connection, or too old.
        """
        try:
            if self._grants is None:
                raise InvalidGrantError
            return await self._enter(self._grants.read(grant, connection_id))
        except (InvalidGrantError, ConnectionNotFoundError):
            raise self._refused("grant") from None

    async def _enter(self, grant: Grant) -> bool:
        await self._sender.remove_from_group(grant.connection_id, grant.left)
        await self._sender.add_to_group(grant.connection_id, grant.joined)
        return await live_store(self._store, grant.scope) is not None if self._begin is None else await self._begin(grant.scope)

    async def leave(self, principal: Principal, connection_id: str, scope: Scope, execution_id: str | None = None) -> None:
        """Let a connection watch a run, or a list of runs, no more; one that does not is none the worse.

        Args:
            scope: As `join` returned it.

        Raises:
            WatchRefusedError: The connection is not the caller's.
            InvalidKeyError: No run can have this id.
        """
        if execution_id is not None:
            check_execution_id(execution_id)
        await self._check_own(principal, connection_id)
        for group in _groups(principal, scope, execution_id, View.LINES):
            await self._sender.remove_from_group(connection_id, group)

    async def _check_own(self, principal: Principal, connection_id: str) -> None:
        if not await self._sender.is_connection_of(connection_id, principal.user_id):
            raise self._refused("unknown_connection")

    def _refused(self, reason: str) -> WatchRefusedError:
        self._telemetry.refused(reason)
        return WatchRefusedError("there is no such run or connection, or it is not yours to watch")


def _groups(principal: Principal, scope: Scope, execution_id: str | None, view: View) -> tuple[str, str]:
    """Return the group to be in, and the other one, which shows what the first does or more."""
    if execution_id is None:
        own, every = runs_group(scope, principal.user_id), runs_group(scope, None)
        return (every, own) if view is View.DETAILS else (own, every)
    details = view is View.DETAILS
    return run_group(scope, execution_id, details=details), run_group(scope, execution_id, details=not details)


def serve_watchers(hub: Hub, watchers: Watchers) -> None:
    """Let clients of a hub call ``watch`` with a grant, which answers whether it is live, and ``unwatch`` with scope and run id.

    A page needs them where several processes serve one hub: its requests may reach another process than its connection.
    """

    @hub.on("watch")
    async def watch(connection: Connection, grant: object) -> bool:
        try:
            return await watchers.enter(connection.id, grant)
        except WatchRefusedError as error:
            raise HubError(str(error)) from None

    @hub.on("unwatch")
    async def unwatch(connection: Connection, scope: object, execution_id: object = None) -> None:
        if not isinstance(scope, str) or not isinstance(execution_id, str | None):
            raise HubError("unwatch takes a scope and the id of a run")
        try:
            await watchers.leave(Principal(connection.user_id), connection.id, Scope(scope), execution_id)
        except (WatchRefusedError, InvalidKeyError) as error:
            raise HubError(str(error)) from None
