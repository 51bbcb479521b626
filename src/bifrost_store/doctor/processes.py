"""Who serves from a store and who follows it, and whether they still do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import LEASED
from bifrost_store.changefeed import DeadLetters, FeedLease, leases_by_processor
from bifrost_store.doctor.access import in_time, remedy_of
from bifrost_store.doctor.findings import Finding, State
from bifrost_store.errors import NotProvisionedError, StoreError
from bifrost_store.migration.runners import is_gone
from bifrost_store.migration.status import store_status
from bifrost_store.routing.membership.lease_rows import LeaseRow


async def check_processes(backend: Backend, now: datetime, lease_seconds: float) -> list[Finding]:
    """Return how the processes are that serve from *backend* under leases, and what its journal names."""
    if backend.name not in LEASED:
        return []
    found = await store_status(backend, 5.0)
    if found.problem is not None:
        return [Finding("processes", backend.name, State.WRONG, found.problem, "bifrost-store migrate status")]
    findings = [_process(backend.name, row, now, lease_seconds) for row in found.processes]
    if found.stuck:
        told = f"{len(found.stuck)} journal entries that no repetition helps: a hand-over waits for them"
        findings.append(Finding("journal", backend.name, State.WRONG, told, "bifrost-store migrate status names each"))
    elif found.journal:
        told = f"{found.journal} records that the other store may lack; they are repaired as processes serve"
        findings.append(
            Finding("journal", backend.name, State.WARNING, told, "bifrost-store migrate status shows whether it shrinks")
        )
    return findings or [Finding("processes", backend.name, State.OK, "no process serves from it under a lease")]


def _process(name: str, row: LeaseRow, now: datetime, lease_seconds: float) -> Finding:
    state = row.state
    place = f"{name}: {state.process}"
    if state.problem is not None:
        remedy = "read that process's log, and start it anew if the trouble stays"
        return Finding("processes", place, State.WARNING, f"in trouble: {state.problem}", remedy)
    is_silent = state.seen_at is not None and now - state.seen_at > timedelta(seconds=lease_seconds)
    if state.state == "live" and (is_gone(state.process) or is_silent):
        told = "has ended without giving its lease back" if is_gone(state.process) else "has written nothing for a whole lease"
        remedy = "nothing: whoever serves next revokes the lease; if the process still runs, end it"
        return Finding("processes", place, State.WARNING, told, remedy)
    told = "serves" if state.state == "live" else "was silent, and its lease was revoked"
    return Finding("processes", place, State.OK, told)


async def check_feeds(backend: Backend) -> list[Finding]:
    """Return how far the processors of *backend*'s feeds are, and what holds them."""
    if backend.feed is None:
        return []
    try:
        found = await in_time(lambda: leases_by_processor(backend))
        letters = {name: len([row async for row in DeadLetters(backend, name).all()]) for name in found}
    except NotProvisionedError:
        return []
    except StoreError as error:
        return [Finding("feeds", backend.name, State.WRONG, str(error), remedy_of(error, backend.name))]
    return [_processor(name, leases, letters) for name, leases in found.items()]


def _processor(name: str, leases: list[FeedLease], letters: Mapping[str, int]) -> Finding:
    stuck = [lease for lease in leases if lease.stuck_since is not None]
    waiting = sum(lease.lag_items for lease in leases)
    if stuck:
        told = f"is stuck in {len(stuck)} of {len(leases)} ranges: {stuck[0].problem}, {stuck[0].failures} times"
        return Finding("feeds", name, State.WRONG, told, "mend what the handler meets; bifrost-store feed status says since when")
    if letters[name]:
        told = f"went past {letters[name]} items that its handler could not take"
        remedy = f"bifrost-store feed dead-letters {name} shows them, and with --replay hands them over again"
        return Finding("feeds", name, State.WARNING, told, remedy)
    if any(lease.owner is None for lease in leases):
        told = f"nobody follows {sum(lease.owner is None for lease in leases)} of {len(leases)} ranges"
        return Finding("feeds", name, State.WARNING, told, "start the process that runs it, if it is still wanted")
    return Finding("feeds", name, State.OK, f"follows, {waiting} items behind")
