"""The groups of connections that are told of things. Scopes and execution ids hold no colon."""

from __future__ import annotations

import hashlib
from typing import Final

from bifrost_store.core.scope import Scope

_DETAILS: Final = "details"


def run_group(scope: Scope, execution_id: str, *, details: bool) -> str:
    """Return the group of those who watch a run; *details*: of those who may see all of it."""
    return f"execution:{scope}:{execution_id}{f':{_DETAILS}' if details else ''}"


def runs_group(scope: Scope, user_id: str | None) -> str:
    """Return the group of those who watch a scope's list of runs: all of them, or those of one user."""
    if user_id is None:
        return f"runs:{scope}"
    return f"runs:{scope}:{hashlib.sha256(user_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def scope_of_group(group: str) -> Scope:
    """Return whose group it is.

    Raises:
        InvalidKeyError: It is none of this module's.
    """
    return Scope(group.partition(":")[2].partition(":")[0])
