"""What serves a route: the backends of a process, writes to two of them, the repair of their journal, and shadow reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import LEASED
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.errors import ConfigurationError
from bifrost_store.routing.control import Route
from bifrost_store.routing.copies import ControlCopies
from bifrost_store.routing.membership.background import Background
from bifrost_store.routing.membership.secondary import GuardedSecondary

if TYPE_CHECKING:
    from bifrost_store.mirroring.dual_write import DualWriteBackend
    from bifrost_store.mirroring.mirror import Mirror
    from bifrost_store.mirroring.shadow_read import ShadowReadBackend

_REPAIR_SECONDS: Final = 5.0
Pair = tuple[str, str]


class Serving:
    """Opens what routes name, when they first do.

    Args:
        open_backend: Returns the backend of a name, the same one each time.
        specs: Every kind that the store knows.
        can_open: Whether the settings say enough of a backend.
        shadow_share: Of all reads under a route with a secondary, those that are compared, 0 to 1.
        route_of: The route of a scope as the process knows it; None before a migration.
        patience: Seconds after which a store that says nothing counts as one that does not answer.
        background: Goes on with the repair of journals.
        linger: Seconds for which a write whose answer was lost is waited for; see `JournalRepair`.

    Attributes:
        copies: The control documents of `stores`.
        stores: Those that a migration can be about and that were opened, addressed directly.
    """

    def __init__(
        self,
        open_backend: Callable[[str], Backend],
        specs: Specs,
        *,
        can_open: Callable[[str], bool],
        shadow_share: float,
        route_of: Callable[[Scope], Route | None],
        patience: float,
        background: Background,
        linger: float,
    ) -> None:
        self.stores: dict[str, Backend] = {}
        self.copies = ControlCopies(self.stores, patience=patience)
        self._open_backend = open_backend
        self._specs = specs
        self._can_open = can_open
        self._shadow_share = shadow_share
        self._route_of = route_of
        self._duals: dict[Pair, DualWriteBackend] = {}
        self._shadowed: dict[int, ShadowReadBackend] = {}
        self._background = background
        self._repairs: list[asyncio.Task[None]] = []
        self._linger = linger

    def store(self, name: str, *, is_routed: bool = False) -> Backend:
        """Return a backend, addressed directly.

        Args:
            is_routed: It is a migration that sends data there.

        Raises:
            ConfigurationError: The settings say nothing of it.
        """
        if name in self.stores:
            return self.stores[name]
        if is_routed and not self._can_open(name):
            raise ConfigurationError(
                f"a migration sends data to {name}, of which this process's settings say nothing; "
                f"set its BIFROST_STORE_{name.upper()}_ variables and restart it"
            )
        backend = self._open_backend(name)
        if name in LEASED:
            self.stores[name] = backend
        return backend

    def plain(self, route: Route) -> Backend:
        """Return what answers under *route*, and tells its secondary if there is one. Raises as `store` does."""
        is_routed = route.epoch > 0
        primary = self.store(route.primary, is_routed=is_routed)
        if route.secondary is None:
            return primary
        pair = (route.primary, route.secondary)
        if pair not in self._duals:
            from bifrost_store.mirroring.dual_write import DualWriteBackend  # noqa: PLC0415 - for those who migrate
            from bifrost_store.mirroring.journal import Journal  # noqa: PLC0415
            from bifrost_store.mirroring.mirror import Mirror  # noqa: PLC0415

            secondary = self.store(route.secondary, is_routed=is_routed)
            guarded = GuardedSecondary(secondary, partial(self.copies.lack_of, route.secondary))
            mirror = Mirror(guarded, Journal(primary))
            self._duals[pair] = DualWriteBackend(primary, mirror, self._specs)
            self._keep_repairing(primary, mirror, pair)
        return self._duals[pair]

    def backend(self, route: Route) -> Backend:
        """Return `plain`, a share of whose reads is repeated on the secondary. Raises as `store` does."""
        plain = self.plain(route)
        dual = self.dual(route)
        if not self._shadow_share or dual is None:
            return plain
        shadowed = self._shadowed.get(id(dual))
        if shadowed is None:
            from bifrost_store.mirroring.shadow_read import ShadowReadBackend, ShadowReads  # noqa: PLC0415 - as above

            shadow = ShadowReads(dual.mirror.secondary, share=self._shadow_share)
            shadowed = self._shadowed[id(dual)] = ShadowReadBackend(dual, shadow)
        return shadowed

    def dual(self, route: Route) -> DualWriteBackend | None:
        """Return what writes to both stores of *route*, once `plain` has returned it; None where there is no secondary."""
        return None if route.secondary is None else self._duals.get((route.primary, route.secondary))

    def _keep_repairing(self, primary: Backend, mirror: Mirror, pair: Pair) -> None:
        from bifrost_store.mirroring.journal_repair import JournalRepair  # noqa: PLC0415 - as above

        repair = JournalRepair(
            primary,
            mirror.secondary,
            mirror.journal,
            epoch_of=self._epoch_of,
            is_ours=lambda scope: self._is_routed(scope, pair),
            linger_seconds=self._linger,
        )

        async def turn() -> float:
            await mirror.journal_pending()
            await repair.run_logged()
            return _REPAIR_SECONDS

        self._repairs.append(self._background.keep(f"repair of the journal of {pair[0]}", turn))

    async def drain(self) -> bool:
        """Bring all writes that were begun to their end; return whether nothing is pending."""
        return all([await dual.mirror.drain() for dual in self._duals.values()])

    async def aclose(self) -> bool:
        """End what goes on in the background, and return what `drain` does. The backends stay open."""
        for repair in self._repairs:
            repair.cancel()
        await asyncio.gather(*self._repairs, return_exceptions=True)
        for shadowed in self._shadowed.values():
            await shadowed.shadow.aclose()
        return await self.drain()

    def _epoch_of(self, scope: Scope) -> int:
        route = self._route_of(scope)
        return 0 if route is None else route.epoch

    def _is_routed(self, scope: Scope, pair: Pair) -> bool:
        route = self._route_of(scope)
        return route is not None and (route.primary, route.secondary) == pair
