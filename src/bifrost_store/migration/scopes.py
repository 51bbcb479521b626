"""Which scopes an operator may name: those that are there."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents.organization import Organization
from bifrost_store.errors import MigrationRefusedError, NextStep
from bifrost_store.routing.control import Control

_KIND: Final = Organization.spec.kind
_NEAREST: Final = 3


async def check_scopes(scopes: Sequence[Scope], control: Control, backend: Backend) -> None:
    """Refuse scopes of organizations that do not exist; one that has a route of its own may be named in any case.

    Args:
        backend: Answers for `GLOBAL`, where organizations are.

    Raises:
        MigrationRefusedError: One does not exist; the message names those whose id or name is nearest.
    """
    for scope in scopes:
        if scope == GLOBAL or scope.value in control.routes:
            continue
        if await backend.get(Key(_KIND, GLOBAL, scope.partition_key)) is None:
            found = await _nearest(scope.partition_key, backend)
            nearest = f"; the nearest: {', '.join(found)}" if found else "; there is no organization at all"
            raise MigrationRefusedError(
                f"there is no organization {scope.partition_key}{nearest}", next_steps=(NextStep("name the id of an organization"),)
            )


async def _nearest(text: str, backend: Backend) -> list[str]:
    names: dict[str, str] = {}
    query = Query(_KIND, GLOBAL)
    while True:
        page = await backend.query(query)
        names.update((record.key.id, str(record.body.get("name"))) for record in page)
        if page.continuation_token is None:
            break
        query = replace(query, continuation_token=page.continuation_token)

    def likeness(item: tuple[str, str]) -> float:
        return max(difflib.SequenceMatcher(None, text.casefold(), one.casefold()).ratio() for one in item)

    return [f"{one} ({name})" for one, name in sorted(names.items(), key=likeness, reverse=True)[:_NEAREST]]
