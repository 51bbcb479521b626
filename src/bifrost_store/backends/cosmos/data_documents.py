"""A document of execution data as JSON, and back: the body's fields stand beside the envelope, as in `documents`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, get_args

from bifrost_store.backends.cosmos.documents import Document, body_fields, stored_name, ttl_of
from bifrost_store.backends.cosmos.errors import BACKEND
from bifrost_store.core.clock import format_time, parse_time
from bifrost_store.core.doubles import dump_parts, load_parts
from bifrost_store.core.execution_data import DataDocument, DataType, Run
from bifrost_store.core.json import UNREADABLE
from bifrost_store.core.record import dump_expiry, load_expiry
from bifrost_store.core.scope import Scope
from bifrost_store.errors import CorruptDocumentError, StoreError

_ENVELOPE: Final = frozenset(
    {
        "id", "executionId", "scope", "type", "recording", "covers", "timestamp", "creation", "writeId", "expiresAt", "ttl",
    }
)  # fmt: skip
_TYPES: Final = get_args(DataType)


def document_from_data(data: DataDocument, now: datetime) -> Document:
    """Return the document that holds *data*."""
    body = {stored_name(name, _ENVELOPE): value for name, value in dump_parts(data.body).items()}
    return {
        "id": data.id,
        "executionId": data.run.execution_id,
        "scope": data.run.scope.value,
        "type": data.type,
        "recording": data.recording,
        "covers": [data.first, data.last],
        "timestamp": format_time(data.timestamp),
        **body,
        "creation": data.run.creation,
        "writeId": data.write_id,
        "expiresAt": dump_expiry(data.expires_at),
        "ttl": ttl_of(data.expires_at, now),
    }


def data_from_document(document: Mapping[str, Any]) -> DataDocument:
    """Return the execution data in *document*.

    Raises:
        CorruptDocumentError: It cannot be read; the message names the property.
    """
    part = "scope, executionId or creation"
    try:
        run = Run(Scope(document["scope"]), _text(document["executionId"]), _text(document["creation"]))
        part = "type"
        kind = document["type"]
        if kind not in _TYPES:
            raise ValueError("no type of execution data")
        part = "recording or covers"
        first, last = map(_number, document["covers"])
        recording = _number(document["recording"])
        part = "timestamp"
        timestamp = parse_time(document["timestamp"])
        part = "expiresAt"
        expires_at = load_expiry(document["expiresAt"])
        part = "id or writeId"
        name, write_id = _text(document["id"]), _text(document["writeId"])
        part = "the body"
        body = load_parts(body_fields(document, _ENVELOPE))
    except (*UNREADABLE, StoreError) as error:
        raise _corrupt(document, part, error) from error
    return DataDocument(run, name, kind, body, timestamp, write_id, expires_at, recording, first, last)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _number(value: object) -> int:
    # The service may give a whole number back as a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise TypeError("no whole number")
    return int(value)


def _corrupt(document: Mapping[str, Any], part: str, error: Exception) -> CorruptDocumentError:
    # A decoder's error text may quote the document: only its class is shown.
    where = f"{document.get('scope')} {str(document.get('executionId'))[:80]!r} {str(document.get('id'))[:80]}"
    return CorruptDocumentError(
        f"execution data {where}: {part} cannot be read ({type(error).__name__}). Correct the document, or delete it",
        backend=BACKEND,
        key=f"execution_data {where}",
    )
