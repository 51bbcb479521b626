"""Payload blobs on their way: put before the record, copied for the old application after it, removed when superseded.

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
from bifrost_store.core.json import is_longer
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import Aside, for_each
from bifrost_store.documents.execution import PayloadName
from bifrost_store.errors import DocumentNotFoundError, OutcomeUnknownError, StoreError
from bifrost_store.repositories.executions.payload_owners import PayloadOwners
from bifrost_store.repositories.executions.payloads import (
    LARGE_CHARACTERS,
    MAX_PAYLOAD_BYTES,
    NewBlob,
    all_todays_names,
    blob_name,
    blob_names,
    inline_result,
    read_payload,
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

    def __init__(self, blobs: BlobsOfScope, backend: Backend) -> None:
        self._blobs = blobs
        self._backend = backend
        self._aside = Aside()

    def writing(self, scope: Scope, new: Sequence[NewBlob]) -> BlobWrite:
        """Return the write of some blobs, to be entered around that of the record which names them."""
        return BlobWrite(self, scope, new)

    async def put(self, scope: Scope, new: Sequence[NewBlob]) -> None:
        """Store blobs under their unique names."""
        store = self._blobs(scope)
        await for_each(lambda blob: store.put(EXECUTION_DATA, blob.name, blob.data), new)

    async def discard(self, scope: Scope, new: Sequence[NewBlob]) -> None:
        """Remove blobs that no record came to name."""
        await for_each(partial(self._remove, scope), [blob.name for blob in new])

    async def settle(self, before: Record, after: Record, new: Sequence[NewBlob]) -> None:
        """Remove what *after* has superseded and copy what is new to today's names.

        Superseded blobs go first: a slower writer that still wants to copy one then finds it gone.
        """
        owners = PayloadOwners(self._backend, [before])
        scope, superseded = after.key.scope, all_todays_names(before).keys() - all_todays_names(after).keys()
        await for_each(partial(self._remove, scope), sorted(blob_names(before) - blob_names(after)))
        await for_each(partial(self._copy, owners, before), new)
        await for_each(partial(self._remove_todays, owners, before), sorted(superseded))

    async def copy_again(self, record: Record) -> None:
        """Make the copies under today's names that a writer which died may have left out."""
        named = {payload: name for payload in get_args(PayloadName) if (name := blob_name(record, payload)) is not None}
        new = [NewBlob(payload, name, b"", None) for payload, name in named.items()]
        await for_each(partial(self._copy, PayloadOwners(self._backend, [record]), record), new)

    async def remove_all(self, records: Sequence[Record]) -> None:
        """Remove every blob of records that are gone."""
        owners = PayloadOwners(self._backend, records)

        async def remove(record: Record) -> None:
            await for_each(partial(self._remove, record.key.scope), sorted(blob_names(record)))
            await for_each(partial(self._remove_todays, owners, record), sorted(all_todays_names(record)))

        await for_each(remove, records)

    async def load(self, record: Record, payload: PayloadName) -> Any:
        """Return a payload as `read_payload` gives it, or None if it is not where the record says, or has none.

        Raises:
            CorruptDocumentError: It is there but cannot be read.
        """
        if payload == "result" and (inline := inline_result(record)) is not None:
            return inline
        name = blob_name(record, payload)
        store = self._blobs(record.key.scope)
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

    async def _remove(self, scope: Scope, name: str) -> None:
        try:
            await self._blobs(scope).delete(EXECUTION_DATA, name)
        except Exception as error:  # noqa: BLE001 - a blob that stays behind misleads nobody
            log_event(_LOG, logging.WARNING, "executions.payload_delete_failed", **_fields(scope, name, error))


class BlobWrite:
    """Blobs that are put before a record, and removed if the block fails so that surely no record names them."""

    def __init__(self, payloads: PayloadBlobs, scope: Scope, new: Sequence[NewBlob]) -> None:
        self._payloads = payloads
        self._scope = scope
        self._new = new
        self._is_sent = False

    async def put(self) -> None:
        """Store the blobs, unless that was done before."""
        if not self._is_sent:
            self._is_sent = True
            await self._payloads.put(self._scope, self._new)

    async def discard(self) -> None:
        """Remove what was stored."""
        if self._is_sent:
            await self._payloads.discard(self._scope, self._new)

    async def __aenter__(self) -> BlobWrite:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, StoreError) and not isinstance(error, OutcomeUnknownError):
            await self.discard()


def _fields(scope: Scope, name: str, error: Exception) -> dict[str, str]:
    return {"scope": scope.value, "blob": name, "error": type(error).__name__}
