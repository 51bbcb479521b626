"""From records to executions as callers see them: with input and error message whole, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.page import Page
from bifrost_store.core.record import Record
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import Execution
from bifrost_store.documents.execution import PayloadName
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.repositories.executions.payload_blobs import PayloadBlobs
from bifrost_store.repositories.executions.payloads import NewBlob, blob_name, blobs_of_record, missing_blob

_SPILLING: Final[dict[PayloadName, str]] = {"input": "input_data", "error": "error_message"}
"""Payloads that a model shows, and in which field."""

KnownValues = Mapping[str, Any]
"""What is in blobs, by their names."""


class ExecutionModels:
    """Makes models of records, loading what their records do not hold."""

    def __init__(self, backend: Backend, payloads: PayloadBlobs) -> None:
        self._backend = backend
        self._payloads = payloads

    async def show(self, record: Record, known: KnownValues | None = None) -> Execution | None:
        """Return the model of *record*, or of its successor if its blobs are gone; None if it was deleted meanwhile.

        Raises:
            CorruptDocumentError: The record or a blob cannot be read, or a blob is missing.
        """
        try:
            return await self._whole(record, known or {})
        except CorruptDocumentError:
            if not _is_spilled(record):
                raise
        successor = await self._backend.get(record.key)
        return None if successor is None else await self._whole(successor, known or {})

    async def show_all(self, page: Page[Record]) -> Page[Execution]:
        """Return the models of a page; what cannot be read is named, what was deleted meanwhile is left out."""
        spilled = [record for record in page if _is_spilled(record)]
        if not spilled:
            return page.convert(Execution.from_record)
        outcomes = await for_each(self._show_or_error, spilled)
        shown = {record.key: outcome for record, outcome in zip(spilled, outcomes, strict=True)}
        present = tuple(record for record in page if shown.get(record.key, record) is not None)

        def convert(record: Record) -> Execution:
            outcome = shown.get(record.key)
            if isinstance(outcome, CorruptDocumentError):
                raise outcome
            return outcome or Execution.from_record(record)

        return Page(present, page.continuation_token, page.unreadable).convert(convert)

    async def _show_or_error(self, record: Record) -> Execution | CorruptDocumentError | None:
        try:
            return await self.show(record)
        except CorruptDocumentError as error:
            return error

    async def _whole(self, record: Record, known: KnownValues) -> Execution:
        model = Execution.from_record(record)
        values: dict[str, Any] = {}
        for payload, field in _SPILLING.items():
            name = blob_name(record, payload)
            if name is None:
                continue
            values[field] = known[name] if name in known else await self._payloads.load(record, payload)
            if values[field] is None:
                raise missing_blob(record, payload)
        return model.model_copy(update=values) if values else model


def known_values(execution: object, new: Iterable[NewBlob]) -> KnownValues:
    """Return what need not be loaded: what a model that the caller holds shows, and what was just written."""
    values = {blob.name: blob.value for blob in new}
    if isinstance(execution, Execution):
        for payload, field in _SPILLING.items():
            name = blob_name(execution.record, payload)
            if name is not None:
                values[name] = getattr(execution, field)
    return values


def _is_spilled(record: Record) -> bool:
    blobs = blobs_of_record(record)
    return bool(blobs) and any(blobs.get(payload) is not None for payload in _SPILLING)
