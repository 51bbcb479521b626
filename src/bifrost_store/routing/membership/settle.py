"""Finds out what became of a write whose answer was lost, or whose lease was, and brings it to its end (W7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Apply, Delete, Operation, Replace, Result
from bifrost_store.core.record import Record
from bifrost_store.core.tasks import for_each
from bifrost_store.core.version import NO_VERSION
from bifrost_store.errors import OutcomeUnknownError, StaleRouteError, StoreError
from bifrost_store.mirroring.dual_write import DualWriteBackend

_REASON: Final = "lease lost"


async def settle(
    attempt: Attempt, operations: Sequence[Operation], backend: Backend, *, is_lease_lost: bool = False
) -> list[Result]:
    """Return what the write that *attempt* was comes to, one result per operation, once both stores know of it.

    It is an operation of its own: call it under a live lease, with nothing prepared over the scope. What the primary holds under
    the attempt's write id is told to the present secondary; where the primary holds what was to be replaced, it is sent again.

    Args:
        attempt: As it was carried out, its `epoch` and `may_send` now those of the present route and lease.
        operations: What it was to do; several were one batch.
        backend: Of the present route: its `DualWriteBackend`, or where it has no secondary its primary.
        is_lease_lost: The lease that the attempt began under was revoked: its entry in the journal may have been repaired.

    Raises:
        OutcomeUnknownError: Something else is stored: the write may have happened, and may happen yet.
        StaleRouteError: The route is out of date; read the copies, and settle again.
        BackendError: The primary could not be read or the journal not written; settle again.
    """
    keys = [operation.key for operation in operations]
    # The entry of its writer (J4) may have been repaired before the write arrived, and nobody would compare it again.
    if is_lease_lost and isinstance(backend, DualWriteBackend):
        await backend.mirror.journal.note(keys, _REASON)
    # Nothing has left this process: what the store says now, refusals too, is all that there is to say.
    if not attempt.is_sent:
        return await backend.write(operations, attempt=attempt)
    stored = await for_each(backend.stored, keys)
    if any(_is_own(attempt, operation, record) for operation, record in zip(operations, stored, strict=True)):
        return await _complete(attempt, operations, backend, stored)
    if all(_is_untouched(attempt, operation, record) for operation, record in zip(operations, stored, strict=True)):
        return await _send_again(attempt, operations, backend)
    raise _unknown(operations)


async def _complete(
    attempt: Attempt, operations: Sequence[Operation], backend: Backend, stored: Sequence[Record | None]
) -> list[Result]:
    """Go on with what the primary holds; a batch is all or nothing, so what is found of one operation holds for all."""
    # Told to the present secondary: the route it began under may have had none.
    if isinstance(backend, DualWriteBackend):
        await backend.tell([record for record in stored if record is not None])
    results: list[Result] = []
    for operation, record in zip(operations, stored, strict=True):
        if isinstance(operation, Apply):
            results.append(True)
        elif _is_own(attempt, operation, record):
            results.append(record)
        else:
            raise _unknown(operations)
    return results


async def _send_again(attempt: Attempt, operations: Sequence[Operation], backend: Backend) -> list[Result]:
    try:
        return await backend.write(operations, attempt=attempt)
    except (StaleRouteError, OutcomeUnknownError):
        raise
    except StoreError as error:
        # Not even a refusal is one: what is in the way may have come after the first sending, which nobody has seen fail.
        raise _unknown(operations) from error


def _is_own(attempt: Attempt, operation: Operation, stored: Record | None) -> bool:
    if stored is None:
        return False
    if isinstance(operation, Apply):
        return stored.version == operation.record.version
    return stored.version.write_id == attempt.write_id


def _is_untouched(attempt: Attempt, operation: Operation, stored: Record | None) -> bool:
    """Return whether what is stored is what *operation* was to replace."""
    state = NO_VERSION if stored is None else stored.version
    if isinstance(operation, Apply):
        return True  # repeated and out of order it comes to the same
    if attempt.bases:
        return (state.revision, state.write_id) in attempt.bases
    match operation:
        case Replace(_, expected):
            return state.is_same_state(expected.version)
        case Delete(_, expected) if expected is not None:
            return state.is_same_state(expected.version)
        case _:
            return stored is None


def _unknown(operations: Sequence[Operation]) -> OutcomeUnknownError:
    key = operations[0].key
    return OutcomeUnknownError(
        f"{key}: the answer was lost and what is stored does not tell what happened; read it before trying again", key=str(key)
    )
