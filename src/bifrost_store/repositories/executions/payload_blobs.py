"""Payloads on their way: put before the record, copied for the old application after it, removed when superseded.

Only what is done before the record is committed can fail a call. What follows is tidying: a failure is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, get_args

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import EXECUTION_DATA, BlobStore, Holder
from bifrost_store.core.events import log_event
from bifrost_store.core.execution_data import body_bytes
from bifrost_store.core.json import is_longer
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import Aside, for_each
from bifrost_store.documents.execution import PayloadName
from bifrost_store.errors import DocumentNotFoundError, OutcomeUnknownError, StoreError
from bifrost_store.repositories.execution_data.places import run_of
from bifrost_store.repositories.executions.payload_documents import MAX_DOCUMENT_BYTES, PayloadDocuments
from bifrost_store.repositories.executions.payload_owners import PayloadOwners
from bifrost_store.repositories.executions.payloads import (
    LARGE_CHARACTERS,
    MAX_PAYLOAD_BYTES,
    NewBlob,
    Placement,
    all_todays_names,
    blob_name,
    blob_names,
    in_document,
    inline_result,
    is_document,
    may_be_in_document,
    read_payload,
    read_value,
    todays_name,
    todays_names,
    too_large,
)

A = TypeVar("A")

_LOG = logging.getLogger("bifrost_store.executions")

BlobsOfScope = Callable[[Scope], BlobStore]
"""Returns the blob store that goes with a scope's backend."""


class PayloadBlobs:
    """Reads and writes the payload blobs of executions.

    Names of ours are unique to a write. Today's names hold no scope: two tenants' runs of one id share them. A copy there
    says whose it is, and is replaced and removed for that scope alone; what says nothing is the old application's, and
    belongs to the run whose record says so, if no other scope's does.
    """

    def __init__(self, blobs: BlobsOfScope, backend: Backend, documents: PayloadDocuments) -> None:
        self._blobs = blobs
        self._backend = backend
        self._documents = documents
        self._aside = Aside()

    async def located(self, scope: Scope, placements: Sequence[Placement]) -> list[Placement]:
        """Return *placements* with those in documents that belong there now, and are not too large."""
        if not any(map(may_be_in_document, placements)) or not await self._documents.take(scope):
            return list(placements)
        return [await self._located(one) if may_be_in_document(one) else one for one in placements]

    async def _located(self, placement: Placement) -> Placement:
        assert placement.blob is not None
        moved, value = in_document(placement), placement.blob.value
        size = await self.prepare(value, body_bytes, {"value": value})
        return moved if size <= MAX_DOCUMENT_BYTES else placement

    def writing(self, new: Sequence[NewBlob]) -> PayloadWrite:
        """Return the write of some payloads, to be entered around that of the record which names them."""
        return PayloadWrite(self, new)

    async def put(self, record: Record, new: Sequence[NewBlob]) -> None:
        """Store payloads of *record* under their unique names."""
        store = self._blobs(record.key.scope)
        blobs = [one for one in new if not is_document(one.name)]
        await for_each(lambda blob: store.put(EXECUTION_DATA, blob.name, blob.data), blobs)
        await self._documents.put(record, [one for one in new if is_document(one.name)])

    async def discard(self, record: Record, new: Sequence[NewBlob]) -> None:
        """Remove payloads that no record came to name."""
        await self._remove_all_of(record, [blob.name for blob in new])

    async def settle(self, before: Record, after: Record, new: Sequence[NewBlob]) -> None:
        """Remove what *after* has superseded and copy what is new to today's names.

        Superseded blobs go first: a slower writer that still wants to copy one then finds it gone.
        """
        owners = PayloadOwners(self._backend, [before])
        superseded = all_todays_names(before).keys() - all_todays_names(after).keys()
        await self._remove_all_of(before, sorted(blob_names(before) - blob_names(after)))
        await for_each(partial(self._copy, owners, before), [blob for blob in new if not is_document(blob.name)])
        await for_each(partial(self._remove_todays, owners, before), sorted(superseded))

    async def copy_again(self, record: Record) -> None:
        """Make the copies under today's names that a writer which died may have left out."""
        named = {payload: name for payload in get_args(PayloadName) if (name := blob_name(record, payload)) is not None}
        new = [NewBlob(payload, name, b"", None) for payload, name in named.items() if not is_document(name)]
        await for_each(partial(self._copy, PayloadOwners(self._backend, [record]), record), new)

    async def remove_all(self, records: Sequence[Record]) -> None:
        """Remove everything that belongs to records that are gone."""
        owners = PayloadOwners(self._backend, records)

        async def remove(record: Record) -> None:
            await self._remove_all_of(record, sorted(name for name in blob_names(record) if not is_document(name)))
            await for_each(partial(self._remove_todays, owners, record), sorted(all_todays_names(record)))

        await for_each(remove, records)
        try:
            await self._documents.remove_runs(records)
        except Exception as error:  # noqa: BLE001 - what stays behind misleads nobody, and expires
            log_event(_LOG, logging.WARNING, "executions.data_delete_failed", runs=len(records), error=type(error).__name__)

    async def purge_expired(self) -> None:
        """Remove what runs left that is not there any more, whatever removed them, once it has expired."""
        await self._documents.purge_expired()

    async def load(self, record: Record, payload: PayloadName) -> Any:
        """Return a payload as `read_payload` gives it, or None if it is not where the record says, or has none.

        Raises:
            CorruptDocumentError: It is there but cannot be read.
        """
        if payload == "result" and (inline := inline_result(record)) is not None:
            return inline
        name = blob_name(record, payload)
        store = self._blobs(record.key.scope)
        if name is not None and is_document(name) and (held := await self._documents.get(record, name)) is not None:
            return read_value(record, payload, name, held[0])
        if name is not None:
            data = await store.get(EXECUTION_DATA, name)
            return None if data is None else await self._read(record, payload, name, data)
        for candidate in todays_names(record, payload):
            blob = await store.read(EXECUTION_DATA, candidate)
            if blob is not None and blob.owner in (None, record.key.scope.value):
                return await self._read(record, payload, candidate, blob.data)
        return None

    async def prepare(self, value: object, function: Callable[..., A], *args: Any) -> A:
        """Return what *function* makes of *args*: on another thread if *value*, which is among them, is large.

        Raises:
            DocumentTooLargeError: It is longer than a payload may be.
        """

        def bounded() -> A:
            if is_longer(value, MAX_PAYLOAD_BYTES):
                raise too_large(f"payload: more than {MAX_PAYLOAD_BYTES} bytes as JSON")
            return function(*args)

        return await self._aside.run(bounded) if is_longer(value, LARGE_CHARACTERS) else function(*args)

    async def _read(self, record: Record, payload: PayloadName, name: str, data: bytes) -> Any:
        if len(data) <= LARGE_CHARACTERS:
            return read_payload(record, payload, name, data)
        return await self._aside.run(read_payload, record, payload, name, data)

    async def _copy(self, owners: PayloadOwners, before: Record, blob: NewBlob) -> None:
        """Copy a new payload to today's name; *before* tells whether what the old application left there is the run's."""
        target = todays_name(blob)
        if target is None:
            return
        scope = before.key.scope
        try:
            copy = partial(self._blobs(scope).copy_for, scope.value, EXECUTION_DATA, blob.name, target)
            holder = await copy()
            is_free = holder in (Holder.NOBODY, Holder.OWNER)
            if holder is Holder.UNKNOWN and await owners.owns(before, blob.payload):
                is_free = await copy(over_unknown=True) is not Holder.ANOTHER
        except DocumentNotFoundError:
            return  # Superseded meanwhile, by a write that makes its own copy.
        except Exception as error:  # noqa: BLE001 - the record is committed: the call has succeeded
            log_event(_LOG, logging.WARNING, "executions.payload_copy_failed", **_fields(scope, target, error))
            return
        if not is_free:
            log_event(_LOG, logging.WARNING, "executions.payload_name_taken", scope=scope.value, blob=target)

    async def _remove_todays(self, owners: PayloadOwners, before: Record, name: str) -> None:
        scope, payload = before.key.scope, all_todays_names(before)[name]
        try:
            delete = partial(self._blobs(scope).delete_for, scope.value, EXECUTION_DATA, name)
            if await delete() is Holder.UNKNOWN and await owners.owns(before, payload):
                await delete(over_unknown=True)
        except Exception as error:  # noqa: BLE001 - a blob that stays behind misleads nobody
            log_event(_LOG, logging.WARNING, "executions.payload_delete_failed", **_fields(scope, name, error))

    async def _remove_all_of(self, record: Record, names: Sequence[str]) -> None:
        """Remove payloads of a run by their names, wherever they lie."""
        documents = [name for name in names if is_document(name)]
        try:
            are_gone = await self._documents.remove(record, documents) == len(documents)
        except Exception as error:  # noqa: BLE001 - a document that stays behind misleads nobody
            are_gone = True
            for name in documents:
                log_event(_LOG, logging.WARNING, "executions.payload_delete_failed", **_fields(record.key.scope, name, error))
        blobs = [name for name in names if not (are_gone and is_document(name))]
        await for_each(partial(self._remove, record.key.scope), blobs)

    async def _remove(self, scope: Scope, name: str) -> None:
        try:
            await self._blobs(scope).delete(EXECUTION_DATA, name)
        except Exception as error:  # noqa: BLE001 - a blob that stays behind misleads nobody
            log_event(_LOG, logging.WARNING, "executions.payload_delete_failed", **_fields(scope, name, error))


class PayloadWrite:
    """Payloads that are put before a record, and removed if the block fails so that surely no record names them."""

    def __init__(self, payloads: PayloadBlobs, new: Sequence[NewBlob]) -> None:
        self._payloads = payloads
        self._new = new
        self._record: Record | None = None

    async def put(self, record: Record) -> None:
        """Store what is new of *record*, unless that was done before: for another run under its id they are put anew."""
        if self._record is not None and run_of(self._record) == run_of(record):
            return
        await self.discard()
        self._record = record
        await self._payloads.put(record, self._new)

    async def discard(self) -> None:
        """Remove what was stored."""
        if self._record is not None:
            await self._payloads.discard(self._record, self._new)

    async def __aenter__(self) -> PayloadWrite:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, StoreError) and not isinstance(error, OutcomeUnknownError):
            await self.discard()


def _fields(scope: Scope, name: str, error: Exception) -> dict[str, str]:
    return {"scope": scope.value, "blob": name, "error": type(error).__name__}
