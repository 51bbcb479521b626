"""What of an execution is kept in its record and what apart from it, under which names, and how it is written and read.

`blobs` in the record's body names each payload that lies apart: ``<execution>/<write id>/<file>`` is a blob,
``<execution>/payload-<write id>/<file>`` a document of execution data, or a blob of that name where a store came to have it that
keeps no such. A name of None says that there is no such payload; no name at all, that the old application wrote last and may
have left the payload under today's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, get_args

from bifrost_store.core.execution_data import payload_id
from bifrost_store.core.json import dump_json, fits, is_longer, load_json, load_large_json, utf16_length
from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import MAX_COLUMN_UNITS
from bifrost_store.core.version import new_write_id
from bifrost_store.documents.execution import PayloadName, ResultType
from bifrost_store.errors import CorruptDocumentError, DocumentTooLargeError, InvalidRequestError
from bifrost_store.repositories.checks import plain_json
from bifrost_store.repository_protocols.executions import Result

MAX_INLINE_RESULT_BYTES: Final = 1_024
MAX_PAYLOAD_BYTES: Final = 67_108_864
"""Of any payload as it is stored, 64 MiB: a function holds a few copies of it in memory while it is saved or loaded."""
LARGE_CHARACTERS: Final = 16_384
"""JSON or text that is longer is written and read on another thread: it would hold up the event loop for milliseconds."""

_TODAYS_FILES: Final[dict[PayloadName, tuple[str, ...]]] = {
    "result": ("result.json", "result.html", "result.txt"),
    "logs": ("logs.json",),
    "variables": ("variables.json",),
    "snapshot": ("snapshot.json",),
}
"""Names that the old application knows, in the order in which it looks for a result."""
_DOCUMENT: Final = re.compile(r"[^/]+/payload-[0-9a-f]{32}/[^/]+")
_RESULT_FILES: Final[dict[ResultType, str]] = {"json": "result.json", "html": "result.html", "text": "result.txt"}
IN_DOCUMENTS: Final = frozenset(_TODAYS_FILES)
"""Payloads that may lie in documents. What spills over from the record, its input or error, is always in blobs."""
_SHAPES: Final[dict[PayloadName, type]] = {"input": dict, "logs": list, "variables": dict, "snapshot": list}
GATHERED: Final = "0" * 16
"""The writer of blobs that nobody saved: they were gathered from what a run left, and may be gathered anew."""
NO_PAYLOADS: Final[dict[str, None]] = dict.fromkeys(_TODAYS_FILES)
"""`blobs` of a new record."""


@dataclass(frozen=True, slots=True)
class NewBlob:
    """A payload to be written apart: its name, unique to this write, its bytes as a blob, and the value that they hold."""

    payload: PayloadName
    name: str
    data: bytes
    value: Any


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a payload goes: into *fields* of the record, or there only a trace of it and the rest into *blob*.

    *over* is the name of the blob whose contents it has in it.
    """

    payload: PayloadName
    fields: Body = field(default_factory=dict[str, Any])
    blob: NewBlob | None = None
    over: str | None = None


# Placing


def place_input(execution_id: str, value: dict[str, Any]) -> Placement:
    """Keep a run's input in the record unless its text is longer than one column takes."""
    if fits(value, MAX_COLUMN_UNITS):
        return Placement("input", {"inputData": value})
    return Placement("input", {"inputData": {}}, _json_blob(execution_id, "input", "input.json", value))


def place_error(execution_id: str, message: str | None) -> Placement:
    """Keep an error message in the record; of one that is longer than a column takes, the beginning."""
    if message is None or utf16_length(message) <= MAX_COLUMN_UNITS:
        return Placement("error", {"errorMessage": message})
    blob = _blob(execution_id, "error", "error.txt", message.encode("utf-8"), message)
    return Placement("error", {"errorMessage": _beginning(message, MAX_COLUMN_UNITS)}, blob)


def place_result(execution_id: str, value: object, result_type: str | None) -> Placement:
    """Keep a small object or text in the record, anything else in a blob; None means no result.

    The old application reads an inline text as JSON if it can, and fails on inline lists, numbers and booleans: such go to
    blobs, however small.

    Raises:
        InvalidRequestError: *value* cannot be kept, or does not fit *result_type*.
    """
    known_type = _result_type(value, result_type)
    if value is None:
        return Placement("result", {"result": None, "resultType": None, "resultSize": None, "resultInBlob": False})
    plain = plain_json(value, "result", at_most=None)
    size = _inline_size(plain, known_type)
    if size is not None:
        return Placement("result", {"result": plain, "resultType": known_type, "resultSize": size, "resultInBlob": False})
    file = _RESULT_FILES[known_type]
    if known_type == "json":
        blob = _json_blob(execution_id, "result", file, plain)
    else:
        blob = _blob(execution_id, "result", file, plain.encode("utf-8"), plain)
    fields: Body = {"result": None, "resultType": known_type, "resultSize": len(blob.data), "resultInBlob": True}
    return Placement("result", fields, blob)


def place_json(
    execution_id: str, payload: PayloadName, value: list[Any] | dict[str, Any], *, write_id: str | None = None
) -> Placement:
    """Put logs, variables or a snapshot in a blob, empty ones too."""
    return Placement(payload, {}, _json_blob(execution_id, payload, _TODAYS_FILES[payload][0], value, write_id))


def placed(body: Body, placements: Iterable[Placement]) -> Body:
    """Return *body* with *placements* made."""
    blobs: dict[str, str | None] = dict(body["blobs"] or {})
    body = dict(body)
    for placement in placements:
        body |= placement.fields
        if placement.blob is not None:
            blobs[placement.payload] = placement.blob.name
        elif placement.payload in _TODAYS_FILES:
            blobs[placement.payload] = None
        else:
            blobs.pop(placement.payload, None)
    return {**body, "blobs": blobs}


# Names


def in_document(placement: Placement) -> Placement:
    """Return *placement* with its payload in a document of execution data instead of a blob."""
    assert placement.blob is not None
    execution_id, write_id, file = placement.blob.name.split("/")
    return replace(placement, blob=replace(placement.blob, name=f"{execution_id}/{payload_id(write_id)}/{file}"))


def may_be_in_document(placement: Placement) -> bool:
    """Return whether the payload may lie in a document: not what was gathered, which those look for who know none."""
    blob = placement.blob
    return blob is not None and placement.payload in IN_DOCUMENTS and not write_id_of(blob.name).startswith(GATHERED)


def is_document(name: str) -> bool:
    """Return whether the payload *name* lies in a document of execution data."""
    return _DOCUMENT.fullmatch(name) is not None


def document_id(name: str) -> str:
    """Return the id of the document that the payload *name* lies in."""
    return name.split("/")[1]


def write_id_of(name: str) -> str:
    """Return the id of the write that put the payload *name* there."""
    return name.split("/")[1].removeprefix(payload_id(""))


def blob_name(record: Record, payload: PayloadName) -> str | None:
    """Return the name that the record gives for a payload's blob, or None."""
    return blobs_of_record(record).get(payload)


def blob_names(record: Record) -> set[str]:
    """Return every blob name in the record."""
    return {name for name in blobs_of_record(record).values() if name is not None}


def todays_name(blob: NewBlob) -> str | None:
    """Return the name under which the old application looks for what *blob* holds, if it does."""
    if blob.payload not in _TODAYS_FILES:
        return None
    execution_id, _, file = blob.name.split("/")
    return f"{execution_id}/{file}"


def may_be_under_todays_name(record: Record, payload: PayloadName) -> bool:
    """Return whether the record says that the old application may have left the payload under today's name."""
    if payload in blobs_of_record(record) or payload not in _TODAYS_FILES:
        return False
    return payload != "result" or record.body["resultInBlob"] is True


def todays_names(record: Record, payload: PayloadName) -> list[str]:
    """Return today's names under which a payload of the record may lie, in the order to look."""
    blobs = blobs_of_record(record)
    name = blobs.get(payload)
    if name is not None:
        files: Sequence[str] = [file for file in _TODAYS_FILES.get(payload, ()) if name.endswith(f"/{file}")]
    else:
        files = _TODAYS_FILES[payload] if may_be_under_todays_name(record, payload) else ()
    return [f"{record.key.id}/{file}" for file in files]


def all_todays_names(record: Record) -> dict[str, PayloadName]:
    """Return today's names under which payloads of the record may lie, and of what."""
    return {name: payload for payload in _TODAYS_FILES for name in todays_names(record, payload)}


def is_in_blob(record: Record, payload: PayloadName) -> bool:
    """Return whether the record says that the payload lies in a blob."""
    return blob_name(record, payload) is not None or (payload == "result" and record.body["resultInBlob"] is True)


# Reading


def inline_result(record: Record) -> Result | None:
    """Return the result that the record itself holds."""
    value = record.body["result"]
    if value is None or record.body["resultInBlob"]:
        return None
    return Result(record.body["resultType"] or infer_result_type(value), value)


def infer_result_type(value: object) -> ResultType:
    """Return the type of a result that nobody named: by the old application's test."""
    if not isinstance(value, str):
        return "json"
    stripped = value.strip()
    return "html" if stripped.startswith("<") and ">" in stripped else "text"


def read_payload(record: Record, payload: PayloadName, name: str, data: bytes) -> Any:
    """Return what the blob *name* holds: text for an error, a `Result` for a result, else a list or an object.

    Raises:
        CorruptDocumentError: The bytes are not what they should be.
    """
    try:
        if payload == "result":
            return _read_result(name, data)
        if payload == "error":
            return data.decode("utf-8")
        value = _read_json(data)
    except ValueError:
        raise _corrupt(record, name, "is not JSON, or not UTF-8 text") from None
    return _shaped(record, payload, name, value)


def payload_data(name: str, value: Any) -> bytes:
    """Return the bytes of the blob *name* that holds *value*."""
    return _json_bytes(value) if name.endswith(".json") else str(value).encode("utf-8")


def read_value(record: Record, payload: PayloadName, name: str, value: object) -> Any:
    """Return what the document of the payload *name* holds, as `read_payload` does.

    Raises:
        CorruptDocumentError: *value* is not what it should be.
    """
    if payload != "result":
        return _shaped(record, payload, name, value)
    if not name.endswith(".json") and not isinstance(value, str):
        raise _corrupt(record, name, "holds no text")
    return Result(_type_of(name), value)


def _shaped(record: Record, payload: PayloadName, name: str, value: object) -> Any:
    if not isinstance(value, _SHAPES[payload]):
        raise _corrupt(record, name, f"holds no JSON {'object' if _SHAPES[payload] is dict else 'list'}")
    return value


def missing_blob(record: Record, payload: PayloadName) -> CorruptDocumentError:
    """Return the error for a blob that is not there though the record names it."""
    name = blob_name(record, payload) or f"{record.key.id}/result.*"
    return _corrupt(record, name, f"is missing, though the record names it for its {payload}")


def blobs_of_record(record: Record) -> dict[PayloadName, str | None]:
    """Return the name that the record gives for each payload; None: there is none."""
    blobs: dict[PayloadName, str | None] = record.body["blobs"] or {}
    return blobs


def _read_result(name: str, data: bytes) -> Result:
    return Result(_type_of(name), _read_json(data) if name.endswith(".json") else data.decode("utf-8"))


def _type_of(name: str) -> ResultType:
    for known, file in _RESULT_FILES.items():
        if name.endswith(f"/{file}"):
            return known
    return "text"


def _read_json(data: bytes) -> Any:
    return load_json(data) if len(data) <= LARGE_CHARACTERS else load_large_json(data)


def _corrupt(record: Record, name: str, what: str) -> CorruptDocumentError:
    where = f"document {document_id(name)} of its execution data" if is_document(name) else f"blob execution-data/{name}"
    return CorruptDocumentError(
        f"{record.key}: {where} {what}. Restore it, or save the payload again",
        backend=record.backend,
        key=str(record.key),
    )


def _result_type(value: object, given: str | None) -> ResultType:
    if given is None:
        return infer_result_type(value)
    for known in get_args(ResultType):
        if given == known:
            if known != "json" and value is not None and not isinstance(value, str):
                raise InvalidRequestError(f"result: must be text for result_type {known}, not {type(value).__name__}")
            return known  # type: ignore[no-any-return]
    raise InvalidRequestError(f"result_type: must be one of {', '.join(get_args(ResultType))}")


def _inline_size(value: Any, result_type: ResultType) -> int | None:
    """Return the bytes that an inline result takes; None if it cannot be one."""
    if not isinstance(value, str | dict) or is_longer(value, MAX_INLINE_RESULT_BYTES + 2):
        return None
    if isinstance(value, dict):
        size = len(dump_json(value))
        return size if size <= MAX_INLINE_RESULT_BYTES else None
    size = len(value.encode("utf-8"))
    is_fit = result_type != "json" and size <= MAX_INLINE_RESULT_BYTES and not _parses_as_json(value)
    return size if is_fit else None


def _parses_as_json(text: str) -> bool:
    """Return whether the old application would take *text* for JSON; it knows NaN and Infinity too."""
    try:
        json.loads(text)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _json_blob(execution_id: str, payload: PayloadName, file: str, value: object, write_id: str | None = None) -> NewBlob:
    return _blob(execution_id, payload, file, _json_bytes(value), value, write_id)


def _json_bytes(value: object) -> bytes:
    return json.dumps(value, indent=2, allow_nan=False).encode("ascii")


def _blob(execution_id: str, payload: PayloadName, file: str, data: bytes, value: Any, write_id: str | None = None) -> NewBlob:
    if len(data) > MAX_PAYLOAD_BYTES:
        raise too_large(f"{payload}: {len(data)} bytes")
    return NewBlob(payload, f"{execution_id}/{write_id or new_write_id()}/{file}", data, value)


def too_large(what: str) -> DocumentTooLargeError:
    """Return the error for a payload that exceeds `MAX_PAYLOAD_BYTES`."""
    return DocumentTooLargeError(
        f"{what}, the limit is {MAX_PAYLOAD_BYTES}; nothing was written. Save less of it, or an upload and its name"
    )


def _beginning(text: str, units: int) -> str:
    """Return at most *units* UTF-16 units of *text*, ending with a whole character."""
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", errors="ignore")
