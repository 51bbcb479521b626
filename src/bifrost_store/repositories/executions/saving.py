"""Changes of a run, and its payloads: saved with the record that names them, loaded from wherever they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.events import log_event
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution
from bifrost_store.documents.execution import PayloadName, check_execution_id
from bifrost_store.errors import CorruptDocumentError, DocumentNotFoundError, InvalidKeyError, StoreError
from bifrost_store.repositories.changes import Change, Changed, change_record
from bifrost_store.repositories.checks import as_list, check_id, check_scope, json_list, json_object
from bifrost_store.repositories.execution_data.gathering import Gathering
from bifrost_store.repositories.execution_data.items import LeftByRun, joined
from bifrost_store.repositories.execution_data.places import OwnItems
from bifrost_store.repositories.executions.gathered import is_gathered, place_left
from bifrost_store.repositories.executions.models import ExecutionModels, known_values
from bifrost_store.repositories.executions.payload_blobs import PayloadBlobs
from bifrost_store.repositories.executions.payloads import (
    NewBlob,
    Placement,
    blob_names,
    is_in_blob,
    missing_blob,
    place_json,
    place_result,
)
from bifrost_store.repositories.executions.rules import Rules, has_ended
from bifrost_store.repository_protocols.executions import ExecutionRef, Result

KIND: Final = "execution"
_logger = logging.getLogger("bifrost_store.executions")
_LEFT: Final[tuple[PayloadName, ...]] = ("logs", "variables", "snapshot")


class SavedPayloads:
    """The part of `bifrost_store.protocols.Executions` about payloads, and how any change of a run is made.

    Args:
        payloads: Reads and writes what lies apart from the records.
        retention: How long after its last change a run expires; None: never.
        gathering: Gathers what runs left that nobody saved.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        clock: Clock,
        payloads: PayloadBlobs,
        retention: timedelta | None,
        gathering: Gathering,
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._retention = retention
        self._payloads = payloads
        self._models = ExecutionModels(backend, payloads)
        self._gathering = gathering

    async def save_result(
        self, execution: Execution | ExecutionRef, result: Any, *, result_type: str | None = None, etag: str | None = None
    ) -> Execution:
        placement = await self._payloads.prepare(result, place_result, target_of(execution)[0].id, result, result_type)
        return await self._save(execution, placement, etag)

    async def load_result(self, execution: Execution | ExecutionRef) -> Result | None:
        result: Result | None = await self._load(execution, "result")
        return result

    async def save_logs(
        self, execution: Execution | ExecutionRef, logs: Sequence[Mapping[str, Any]], *, etag: str | None = None
    ) -> Execution:
        return await self._save_json(execution, "logs", logs, _entries, etag)

    async def load_logs(self, execution: Execution | ExecutionRef) -> list[dict[str, Any]] | None:
        logs: list[dict[str, Any]] | None = await self._load(execution, "logs")
        return logs

    async def save_variables(
        self, execution: Execution | ExecutionRef, variables: Mapping[str, Any], *, etag: str | None = None
    ) -> Execution:
        return await self._save_json(execution, "variables", variables, partial(json_object, field="variables", at_most=None), etag)

    async def load_variables(self, execution: Execution | ExecutionRef) -> dict[str, Any] | None:
        variables: dict[str, Any] | None = await self._load(execution, "variables")
        return variables

    async def save_snapshot(
        self, execution: Execution | ExecutionRef, snapshot: Sequence[Any], *, etag: str | None = None
    ) -> Execution:
        return await self._save_json(execution, "snapshot", snapshot, partial(json_list, field="snapshot", at_most=None), etag)

    async def load_snapshot(self, execution: Execution | ExecutionRef) -> list[Any] | None:
        snapshot: list[Any] | None = await self._load(execution, "snapshot")
        return snapshot

    def _rules(self) -> Rules:
        return Rules(self._clock(), self._retention)

    async def _shown(self, record: Record, known: Mapping[str, Any]) -> Execution:
        """Return the model of a record that was just written."""
        shown = await self._models.show(record, known)
        if shown is None:
            raise DocumentNotFoundError(f"{record.key} was deleted right after this change", key=str(record.key))
        return shown

    async def _change(
        self, execution: Execution | ExecutionRef, change: Change, etag: str | None, blobs: Sequence[NewBlob] = ()
    ) -> tuple[Changed, Execution]:
        """Make a change whose blobs are put before the record and settled after it."""
        key, known = target_of(execution)
        async with self._payloads.writing(blobs) as write:
            changed = await change_record(self._backend, key, change, known=known, etag=etag, before_write=write.put)
        if changed.before is None:
            await write.discard()
        else:
            names = blob_names(changed.record)
            await self._payloads.settle(changed.before, changed.record, [blob for blob in blobs if blob.name in names])
            await self._payloads.discard(changed.record, [blob for blob in blobs if blob.name not in names])
        return changed, await self._shown(changed.record, known_values(execution, blobs))

    async def _save(self, execution: Execution | ExecutionRef, placement: Placement, etag: str | None) -> Execution:
        (placement,) = await self._payloads.located(target_of(execution)[0].scope, [placement])
        rules = self._rules()
        return (await self._change(execution, lambda record: rules.save(record, placement), etag, blobs_of([placement])))[1]

    async def _save_json(
        self,
        execution: Execution | ExecutionRef,
        payload: PayloadName,
        value: object,
        check: Callable[[object], list[Any] | dict[str, Any]],
        etag: str | None,
    ) -> Execution:
        execution_id = target_of(execution)[0].id
        placement = await self._payloads.prepare(value, lambda: place_json(execution_id, payload, check(value)))
        return await self._save(execution, placement, etag)

    async def _load(self, execution: Execution | ExecutionRef, payload: PayloadName) -> Any:
        """Return a payload, or None. The record is read, once more, where it may be out of date."""
        key, known = target_of(execution)
        record = known or await self._backend.get(key)
        value = None if record is None else await self._payloads.load(record, payload)
        if value is None and record is not None and (known is not None or is_in_blob(record, payload)):
            record = await self._backend.get(key)
            value = None if record is None else await self._payloads.load(record, payload)
        if value is None and record is not None and is_in_blob(record, payload):
            raise missing_blob(record, payload)
        if value is None and record is not None and payload in _LEFT and has_ended(record):
            value = getattr(await self._gathering.stored(record), payload)
        return value

    async def leave(self, key: Key, own: Sequence[OwnItems]) -> bool:
        """Save what a run has left, with what this process has kept of it; return whether it need not be kept any longer.

        Of a run that goes on, only what nobody else could read later: what is in no store.
        """
        while True:
            record = await self._backend.get(key)
            if record is None:
                return True
            if not has_ended(record) and any(one.store is not None for one in own):
                return False
            placements = await self._left(record, own)
            rules, ref = self._rules(), ExecutionRef(key.scope, key.id)
            change = partial(rules.leave, left=placements)
            if not placements or (await self._change(ref, change, None, blobs_of(placements)))[0].before is not None:
                return True

    async def _leave_ended(self, key: Key, own: Sequence[OwnItems]) -> bool:
        """Do so for a run that has just been ended: that call has succeeded, whatever becomes of this."""
        try:
            return await self.leave(key, own)
        except StoreError as error:
            name = type(error).__name__
            log_event(_logger, logging.WARNING, "recording.not_left", error, run=key.id, error=name)
            return False

    async def _left(self, record: Record, own: Sequence[OwnItems]) -> list[Placement]:
        """Return where everything goes that a run has left: what is in stores, in this process, and what was gathered before."""
        left = await self._gathering.all_of(record, own)
        earlier = [await self._gathered_before(record, name) for name in _LEFT]
        left = joined(LeftByRun(*earlier), left)
        return await self._payloads.prepare([left.logs, left.variables, left.snapshot], place_left, record, left)

    async def _gathered_before(self, record: Record, payload: PayloadName) -> Any:
        """Return what was gathered of *payload* before; nothing that is damaged keeps a run from ending."""
        try:
            return await self._payloads.load(record, payload) if is_gathered(record, payload) else None
        except CorruptDocumentError as error:
            name = type(error).__name__
            log_event(_logger, logging.WARNING, "recording.not_gathered", error, run=record.key.id, error=name)
            return None


def key_of(scope: Scope, execution_id: str) -> Key:
    """Return the key of an execution, if there can be one."""
    check_scope(scope, Execution.spec)
    check_id(execution_id, "execution id")
    check_execution_id(execution_id)
    return Key(KIND, scope, execution_id)


def target_of(execution: object) -> tuple[Key, Record | None]:
    """Return the key of an execution, and its record as the caller has it."""
    match execution:
        case Execution():
            return execution.record.key, execution.record
        case ExecutionRef(scope, execution_id):
            return key_of(scope, execution_id), None
        case _:
            raise InvalidKeyError(f"execution: must be an Execution or an ExecutionRef, not {type(execution).__name__}")


def _entries(logs: object) -> list[dict[str, Any]]:
    return [json_object(entry, f"logs[{number}]", at_most=None) for number, entry in enumerate(as_list(logs, "logs"))]


def blobs_of(placements: Sequence[Placement]) -> list[NewBlob]:
    """Return the new blobs among *placements*."""
    return [placement.blob for placement in placements if placement.blob is not None]
