"""A fixed set of reads, harmless to a store at work, that shows what calls cost there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from bifrost_store.core.scope import Scope
from bifrost_store.errors import StoreError
from bifrost_store.store import Store

ROUNDS: Final = 3
"""How often each read is made: the first also pays for connecting."""
_PAGE: Final = 25
_NOBODY: Final = "nobody@bifrost-store.invalid"
_NOTHING: Final = "bifrost-store-probe"

Read = Callable[[Store, Scope], Awaitable[object]]


async def _executions(store: Store, scope: Scope) -> None:
    """Read the first page, the newest run by its id, and its result."""
    for run in (await store.executions.list(scope, limit=_PAGE))[:1]:
        await store.executions.get(scope, run.execution_id)
        await store.executions.load_result(run)


async def _members(store: Store, scope: Scope) -> None:
    if scope.organization_id is not None:
        await store.users.list_organization(scope.organization_id)


READS: Final[tuple[Read, ...]] = (
    lambda store, scope: store.organizations.list(),
    lambda store, scope: store.users.get(_NOBODY),
    _members,
    lambda store, scope: store.config.get(scope, _NOTHING),
    lambda store, scope: store.config.list(scope),
    lambda store, scope: store.oauth.list(scope),
    lambda store, scope: store.integrations.list(scope),
    lambda store, scope: store.branding.get(scope),
    lambda store, scope: store.roles.list(scope),
    lambda store, scope: store.forms.list(scope),
    lambda store, scope: store.api_keys.list(),
    lambda store, scope: store.schedules.list(),
    lambda store, scope: store.job_statuses.list(),
    lambda store, scope: store.audit.list(scope, since=datetime.now(UTC) - timedelta(hours=1), limit=_PAGE),
    _executions,
)
"""Point reads, short lists and first pages: nothing that grows with the history of the platform, and no write."""


async def probe(store: Store, scope: Scope) -> list[StoreError]:
    """Make every read of `READS` in *scope*; `Store.usage` then tells what they cost. Return what failed, once for each read.

    Raises:
        StoreError: The store cannot be used at all.
    """
    await store.ping()
    failures: dict[Read, StoreError] = {}
    for _ in range(ROUNDS):
        for read in READS:
            if read not in failures:
                try:
                    await read(store, scope)
                except StoreError as error:
                    failures[read] = error
    return list(failures.values())
