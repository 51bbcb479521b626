"""A document of execution data as a row of the table ``execution_data``, and back."""

from __future__ import annotations

from typing import Final, get_args

from bifrost_store.backends.sqlite.errors import NAME
from bifrost_store.backends.sqlite.rows import Row, Value, load_object
from bifrost_store.core.clock import format_time, parse_time
from bifrost_store.core.execution_data import DataDocument, DataType, Run
from bifrost_store.core.json import UNREADABLE, dump_stored
from bifrost_store.core.record import Body, dump_expiry, load_expiry
from bifrost_store.core.scope import Scope
from bifrost_store.errors import CorruptDocumentError, StoreError

DATA_COLUMNS: Final = "execution_id, scope, id, creation, type, recording, first, last, timestamp, write_id, expires_at, body"
"""What `data_from_row` takes, in order."""
_TYPES: Final = get_args(DataType)


def row_from_data(data: DataDocument) -> dict[str, Value]:
    """Return the row that holds *data*, by column name."""
    return {
        "execution_id": data.run.execution_id,
        "scope": data.run.scope.value,
        "id": data.id,
        "creation": data.run.creation,
        "type": data.type,
        "recording": data.recording,
        "first": data.first,
        "last": data.last,
        "timestamp": format_time(data.timestamp),
        "write_id": data.write_id,
        "expires_at": dump_expiry(data.expires_at),
        "body": dump_stored(data.body),
    }


def data_row_as_json(row: Row) -> Body:
    """Return what *row* holds by column name, whatever that is: bytes as hex digits, which a damaged column may hold."""
    names = DATA_COLUMNS.split(", ")
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in zip(names, row, strict=True)}


def data_from_row(row: Row) -> DataDocument:
    """Return the execution data in *row*, which has `DATA_COLUMNS`.

    Raises:
        CorruptDocumentError: A column cannot be read; the message names it.
    """
    execution_id, scope, data_id, creation, kind, recording, first, last, timestamp, write_id, expires_at, body = row
    column = "execution_id, scope, id or creation"
    try:
        run = Run(Scope(scope), _text(execution_id), _text(creation))
        name = _text(data_id)
        column = "type"
        if kind not in _TYPES:
            raise ValueError("no type of execution data")
        column = "recording, first or last"
        numbers = [int(recording), int(first), int(last)]
        column = "timestamp"
        moment = parse_time(timestamp)
        column = "expires_at"
        expiry = load_expiry(expires_at)
        column = "write_id"
        writer = _text(write_id)
        column = "body"
        fields = load_object(body)
    except (*UNREADABLE, StoreError) as error:
        # A decoder's error text may quote the document: only its class is shown.
        where = f"{scope} {str(execution_id)[:80]!r} {str(data_id)[:80]}"
        raise CorruptDocumentError(
            f"execution data {where}: column {column} of its row in table execution_data cannot be read "
            f"({type(error).__name__}). Correct the column, or delete the row",
            backend=NAME,
            key=f"execution_data {where}",
        ) from error
    return DataDocument(run, name, kind, fields, moment, writer, expiry, *numbers)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
