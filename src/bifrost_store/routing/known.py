"""What this process knows of the routes."""

from __future__ import annotations

from collections.abc import Mapping

from bifrost_store.core.scope import Scope
from bifrost_store.routing.control import EVERY_SCOPE, Control, Route
from bifrost_store.routing.copies import Copy


class Known:
    """The control documents as last read under any lease of the process; what was known once is not forgotten.

    Attributes:
        control: The one with the last commit; None before a migration.
    """

    def __init__(self) -> None:
        self.control: Control | None = None
        self._copies: dict[str, Copy] = {}
        self._controls: list[Control] = []

    def learn(self, seen: Mapping[str, Copy]) -> None:
        """Take note of documents that were read."""
        for name, copy in seen.items():
            if name not in self._copies or copy.record.version.age > self._copies[name].record.version.age:
                self._copies[name] = copy
        self._controls = [copy.control for copy in self._copies.values()]
        self.control = max(self._controls, key=lambda control: control.highest_epoch, default=None)

    def exact_scopes(self) -> set[Scope]:
        """Return the scopes that have a route of their own, or may be given one at any moment."""
        keys = {key for control in self._controls for key in (*control.routes, *(control.move.keys if control.move else ()))}
        return {Scope(key) for key in keys - {EVERY_SCOPE}}

    def route_of(self, scope: Scope) -> Route | None:
        """Return the route with the highest epoch in any document (D1); None before a migration."""
        found: Route | None = None
        for control in self._controls:
            route = control.route_of(scope)
            if found is None or route.epoch > found.epoch:
                found = route
        return found
