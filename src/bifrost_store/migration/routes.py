"""What the copies of the control document say together."""

from __future__ import annotations

from collections.abc import Mapping

from bifrost_store.errors import MigrationRefusedError, NextStep
from bifrost_store.migration.state import Step
from bifrost_store.routing.control import Control, Route, Target
from bifrost_store.routing.copies import Copy

Pair = tuple[str, str | None]
"""Primary and secondary."""


def pair_of(route: Route | Target) -> Pair:
    """Return where a route goes, without its epoch."""
    return route.primary, route.secondary


def directions(control: Control) -> list[tuple[str, str]]:
    """Return each primary with a secondary that some scopes have, once."""
    return sorted({(route.primary, route.secondary) for route in control.routes.values() if route.secondary is not None})


def newest(copies: Mapping[str, Copy]) -> Control | None:
    """Return the copy that knows the last commit, and of equal ones that with a move under way; None if there is none."""
    controls = [copy.control for copy in copies.values()]
    return max(controls, key=lambda control: (control.highest_epoch, control.move is not None), default=None)


def known(control: Control | None) -> Control:
    """Return *control*.

    Raises:
        MigrationRefusedError: It is None: nothing was started.
    """
    if control is None:
        raise MigrationRefusedError("there is no control document", next_steps=(NextStep(step=Step.START),))
    return control
