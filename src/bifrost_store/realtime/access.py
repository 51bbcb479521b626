"""Who may watch what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import Execution


@dataclass(frozen=True, slots=True)
class Principal:
    """Who somebody is, as whatever authenticates in front of the application says.

    Attributes:
        user_id: As in `Execution.executed_by`.
        scope: Of the organization that they act for.
        is_administrator: Of the platform.
    """

    user_id: str
    scope: Scope = GLOBAL
    is_administrator: bool = False


class View(StrEnum):
    """How much somebody may see of a run; of a scope's list of runs: only the own ones, or all.

    ``LINES`` are those of INFO and above, without tracebacks, and the status; ``DETAILS`` everything.
    """

    LINES = "lines"
    DETAILS = "details"


MayWatch = Callable[[Principal, Scope, Execution | None], Awaitable[View | None]]
"""Says how much a principal may see of a run that was asked for in a scope, or, for None, of the scope's list of runs.

None: nothing at all. A run that the scope does not have may be one of GLOBAL, as for `Executions.get`.
"""


async def nobody(principal: Principal, scope: Scope, run: Execution | None) -> View | None:
    """Refuse everybody: the default."""
    return None


async def platform_rules(principal: Principal, scope: Scope, run: Execution | None) -> View | None:
    """Apply the platform's rules: administrators see everything; others, in their own scope, the lines of their own runs."""
    if principal.is_administrator:
        return View.DETAILS
    is_own = run is None or run.executed_by == principal.user_id
    return View.LINES if scope == principal.scope and is_own else None
