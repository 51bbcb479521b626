"""A record as a row of the table ``records``, and back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, cast

from bifrost_store.backends.sqlite.errors import NAME
from bifrost_store.core.json import UNREADABLE, check_text, dump_json, dump_stored, load_json
from bifrost_store.core.record import SCHEMA_VERSION, Body, Key, Record, dump_expiry, load_expiry
from bifrost_store.core.scope import scope_named
from bifrost_store.core.spec import Specs
from bifrost_store.core.version import Version
from bifrost_store.errors import CorruptDocumentError, StoreError

Value = str | int | float | bytes | None
Row = tuple[Any, ...]

COLUMNS: Final = "kind, scope, id, sort_key, epoch, revision, write_id, schema_version, expires_at, is_tombstone, body, extra"
"""What `record_from_row` takes, in order."""

_EMPTY: Final = "{}"
_INT64 = range(-(2**63), 2**63)


def native_etag(version: Version) -> str:
    """Return what this backend calls a state: ``<epoch>.<revision>.<write id>``."""
    return f"{version.epoch}.{version.revision}.{version.write_id}"


def row_from_record(record: Record, specs: Specs) -> dict[str, Value]:
    """Return the row that holds *record*, by column name."""
    key, version = record.key, record.version
    return {
        "kind": key.kind,
        "scope": key.scope.value,
        "id": key.id,
        "sort_key": record.sort_key,
        "epoch": version.epoch,
        "revision": version.revision,
        "write_id": version.write_id,
        "digest": record.digest,
        "schema_version": SCHEMA_VERSION,
        "expires_at": dump_expiry(record.expires_at),
        "is_tombstone": int(record.is_tombstone),
        "body": dump_stored(record.body),
        "extra": dump_stored(record.extra) if record.extra else _EMPTY,
        "fields": dump_fields(record.body, specs[key.kind].queryable),
    }


def row_as_json(row: Row) -> Body:
    """Return what *row* holds by column name, whatever that is: bytes as hex digits, which a damaged column may hold."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in zip(COLUMNS.split(", "), row, strict=True)}


def record_from_row(row: Row, specs: Specs) -> Record:
    """Return the record in *row*, which has `COLUMNS`.

    Raises:
        CorruptDocumentError: A column cannot be read; the message names it.
    """
    kind, scope, record_id, sort_key, epoch, revision, write_id, schema_version, expires_at, is_tombstone, body, extra = row
    column = "schema_version"
    try:
        if schema_version > SCHEMA_VERSION:
            raise ValueError(f"{schema_version} is newer than this library; upgrade it")
        column = "scope"
        key = Key(kind, scope_named(scope), record_id)
        column = "body"
        body_object = _with_missing_fields(load_object(body), kind, specs) if not is_tombstone else {}
        column = "extra"
        extra_object = {} if extra == _EMPTY else load_object(extra)
        column = "expires_at"
        expiry = load_expiry(expires_at)
        column = "epoch, revision or write_id"
        version = Version(int(revision), str(write_id), int(epoch))
    except (*UNREADABLE, StoreError) as error:
        # A decoder's error text may quote the document: only its class is shown.
        reason = str(error) if column == "schema_version" else type(error).__name__
        raise CorruptDocumentError(
            f"{kind} {scope} {record_id!r}: column {column} of its row in table records cannot be read ({reason}). "
            "Correct the column, or delete the row",
            backend=NAME,
            key=f"{kind} {scope} {record_id!r}",
            document=(str(kind), str(scope), str(record_id)),
        ) from error
    return Record(key, body_object, sort_key, version, expiry, extra_object, bool(is_tombstone), native_etag(version), NAME)


def load_object(text: str) -> Body:
    """Return the JSON object that a column holds; raises one of `UNREADABLE`, or StoreError, if it holds none."""
    check_text(text, "text")
    value = load_json(text)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return cast(Body, value)


def _with_missing_fields(body: Body, kind: str, specs: Specs) -> Body:
    """Add the fields that *kind* has gained since *body* was stored."""
    spec = specs.get(kind)
    if spec is None or spec.fields is None or spec.fields <= body.keys():
        return body
    return {**dict.fromkeys(spec.fields), **body}


def dump_fields(body: Mapping[str, object], queryable: frozenset[str]) -> str:
    """Return the column ``fields``: a JSON object of the queryable fields of *body* that are not null.

    Texts are escaped (`escape`). What no filter value equals under SQLite's own types (lists, objects, floats, integers
    beyond 64 bits) is ``{"json": <its JSON text>}``.
    """
    return dump_stored({name: _dump_field(body[name]) for name in _in_order(queryable) if body.get(name) is not None})


@cache
def _in_order(names: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _dump_field(value: object) -> object:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, bool) or (isinstance(value, int) and value in _INT64):
        return value
    return {"json": dump_json(value)}


def load_field(json_type: str | None, value: Any) -> Any:
    """Return the value that ``json_type`` and ``json_extract`` found in the column ``fields``."""
    match json_type:
        case "text":
            return unescape(value)
        case "true" | "false":
            return json_type == "true"
        case "object":
            return load_json(load_json(value)["json"])
        case _:
            return value


def is_int64(value: int) -> bool:
    """Return whether SQLite holds *value* as an integer."""
    return value in _INT64


def escape(text: str) -> str:
    """Return *text* without U+0000, at which SQLite's JSON functions would cut it; its order among others is kept.

    U+0000 becomes U+0001 U+0001, and U+0001 becomes U+0001 U+0002.
    """
    return text if text.isprintable() else text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")


def unescape(text: str) -> str:
    """Return the text that `escape` made *text* from."""
    return text.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01")
