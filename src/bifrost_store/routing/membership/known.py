"""What this process knows of the routes."""

from __future__ import annotations

from collections.abc import Container, Mapping

from bifrost_store.backends.registry import LEASED
from bifrost_store.core.retention import Recorded, agreed
from bifrost_store.core.scope import Scope
from bifrost_store.routing.control import EVERY_SCOPE, Control, Route
from bifrost_store.routing.copies import Copy, Lack


class Known:
    """The control documents as last read under any lease of the process; what was known once is not forgotten.

    Args:
        recorded: Is told the retention that they record.

    Attributes:
        control: The one with the last commit; None before a migration.
    """

    def __init__(self, recorded: Recorded | None = None) -> None:
        self._recorded = recorded or Recorded()
        self.control: Control | None = None
        self._copies: dict[str, Copy] = {}
        self._controls: list[Control] = []

    def learn(self, seen: Mapping[str, Copy], lacks: Mapping[str, Lack], own: str) -> None:
        """Take note of documents that were read under a lease in the store *own*, and of what stores lack.

        Before a migration the flag names *own*: the other store's document counts only if it is about *own* too, or gives it up.
        """
        # D5: what was exchanged counts for nothing; what is absent or damaged has said once what still holds.
        for name in [name for name, lack in lacks.items() if lack.what in ("foreign", "disowned")]:
            self._copies.pop(name, None)
        for name, copy in seen.items():
            if not self._copies and own not in seen and own not in copy.control.stores | {*copy.control.disowned}:
                continue
            if name not in self._copies or _is_later(copy, self._copies[name]):
                self._copies[name] = copy
        self._controls = [copy.control for copy in self._copies.values()]
        self.control = max(self._controls, key=lambda control: control.highest_epoch, default=None)
        self._recorded.retention = agreed(*(one.retention for one in self._controls))

    def exact_scopes(self) -> set[Scope]:
        """Return the scopes that have a route of their own, or may be given one at any moment."""
        keys = {key for control in self._controls for key in (*control.routes, *(control.move.keys if control.move else ()))}
        return {Scope(key) for key in keys - {EVERY_SCOPE}}

    @property
    def primaries(self) -> Container[str]:
        """The stores that answer for some scope; before a migration any may."""
        return LEASED if self.control is None else {route.primary for route in self.control.routes.values()}

    def route_of(self, scope: Scope) -> Route | None:
        """Return the route with the highest epoch in any document (D1); None before a migration."""
        found: Route | None = None
        for control in self._controls:
            route = control.route_of(scope)
            if found is None or route.epoch > found.epoch:
                found = route
        return found


def _is_later(copy: Copy, known: Copy) -> bool:
    """Return whether *copy* says more than what is *known*; one that was put back begins its versions again, at a later epoch."""
    if copy.control.highest_epoch != known.control.highest_epoch:
        return copy.control.highest_epoch > known.control.highest_epoch
    return copy.record.version.age > known.record.version.age
