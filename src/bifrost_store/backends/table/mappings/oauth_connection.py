"""Config ``config:oauth_``: a connection's metadata and, where there are any, the names of its two secrets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from typing_extensions import override

from bifrost_store.backends.table.account import Row, StoredRow
from bifrost_store.backends.table.columns import (
    JSON,
    TEXT,
    TIME,
    Column,
    Content,
    Reading,
    UnreadableColumnError,
    naive_time,
    time_text,
)
from bifrost_store.backends.table.escaping import escape, unescape
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.stamps import WRITE_ID, version_columns
from bifrost_store.backends.table.places import Address, KeyRange
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.query import Filter
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import MAX_COLUMN_UNITS
from bifrost_store.documents import OAuthConnection
from bifrost_store.documents.config import OAUTH_KEY

_ALWAYS: Final = {
    "oauthFlowType": "oauth_flow_type",
    "clientId": "client_id",
    "authorizationUrl": "authorization_url",
    "tokenUrl": "token_url",
    "scopes": "scopes",
    "redirectUri": "redirect_uri",
    "status": "status",
}
"""Fields to the names that metadata always has, null or not."""
_LATER: Final = {"statusMessage": "status_message", "expiresAt": "expires_at", "lastRefreshAt": "last_refresh_at"}
_UPDATED_AT: Final = "updated_at"
"""Repeats the row's own column once a connection has been changed."""
_KNOWN: Final = frozenset({*_ALWAYS.values(), *_LATER.values(), _UPDATED_AT})
_TIMES: Final = frozenset({"expires_at", "last_refresh_at", _UPDATED_AT})
_REST: Final = "BsMetadata"
"""In `Record.extra`: the members of the metadata that no field claims, as one JSON text."""
_PARTS: Final = ("metadata", "client_secret", "oauth_response")
_REFERENCES: Final = (
    ("clientSecretRef", "BsClientSecretRef", "OAuth client secret for {}"),
    ("oauthResponseRef", "BsOAuthResponseRef", "OAuth tokens for {}"),
)
"""Field, the column under which a row's value is put beside the metadata to be read with it, and the row's description."""


class OAuthConnectionMapping(RowMapping):
    """A connection is up to three rows; ``_metadata`` is the anchor. Secrets' rows without it are none of a connection.

    The old application writes secrets before metadata, and deletes row by row. Where the metadata is as this library wrote it, a
    secret's row of another write is therefore left over from an earlier connection of the name, or not yet in force.
    """

    spec = OAuthConnection.spec
    table = "Config"
    prefix = "config:oauth_"
    is_spread = True
    key_columns = frozenset({"Value", "Type", "Description"})
    columns = (
        Column("description", "BsDescription", TEXT),
        Column("createdAt", "BsCreatedAt", TIME),
        Column("createdBy", "BsCreatedBy", TEXT),
        Column("updatedAt", "UpdatedAt", TIME, is_forgiven=True),
        Column("updatedBy", "UpdatedBy", TEXT),
        *(Column(field, column, TEXT) for field, column, _ in _REFERENCES),
    )

    @cached_property
    @override
    def column_names(self) -> dict[str, str]:
        return {**dict.fromkeys((*_ALWAYS, *_LATER), "Value"), **super().column_names}

    @override
    def address(self, key: Key, sort_key: str) -> Address:
        return self.addresses(key)[0]

    @override
    def addresses(self, key: Key) -> list[Address]:
        start = self.prefix + escape(key.id)
        return [Address(self.table, key.scope.partition_key, f"{start}_{part}") for part in _PARTS]

    @override
    def span(self, key: Key) -> KeyRange:
        start = self.prefix + escape(key.id)
        return KeyRange(key.scope.partition_key, f"{start}_c", f"{start}_p")

    @override
    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        match = OAUTH_KEY.fullmatch(row_key.removeprefix("config:"))
        if match is None or not row_key.startswith(self.prefix):
            return None
        key = self.checked_key(partition_key, unescape(match["name"]))
        return key if key is not None and row_key in {address.row_key for address in self.addresses(key)} else None

    @override
    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        return [KeyRange(None if scope is None else scope.partition_key, self.prefix, "config:oauth`")]

    @override
    def merge(self, key: Key, rows: Sequence[StoredRow]) -> Record | None:
        by_row_key = {row.row_key: row for row in rows}
        anchor, *references = (by_row_key.get(address.row_key) for address in self.addresses(key))
        if anchor is None:
            return None
        write_id = anchor.properties.get(WRITE_ID)
        ours = [row if row is not None and row.properties.get(WRITE_ID) == write_id else None for row in references]
        if write_id is not None and ours != references:
            record = self._decode_joined(key, anchor, ours)
            if record.version.write_id == write_id:
                return record
        return self._decode_joined(key, anchor, references)

    def _decode_joined(self, key: Key, anchor: StoredRow, references: Sequence[StoredRow | None]) -> Record:
        joined = _joined(anchor, references)
        for row in references:
            value = None if row is None else row.properties.get("Value")
            if not isinstance(value, str | None):
                raise self.unreadable(key, joined, f"column Value: expected text, found {type(value).__name__}", at=row)
        return self.decode(key, joined)

    @override
    def read_body(self, key: Key, row: Row, *, reading: Reading) -> Body:
        metadata = _metadata(row)
        body = super().read_body(key, row, reading=reading)
        for field, name in (*_ALWAYS.items(), *_LATER.items()):
            body[field] = _read(metadata, name)
        updated_at = body["updatedAt"] or _read(metadata, _UPDATED_AT)
        if reading is Reading.LENIENT and body["scopes"] is None:
            body["scopes"] = ""
        return {**body, "updatedAt": updated_at, "connectionName": key.id}

    @override
    def read_content(self, key: Key, row: Row, *, reading: Reading) -> Content:
        content = super().read_content(key, row, reading=reading)
        rest = {name: value for name, value in _metadata(row).items() if name not in _KNOWN}
        return content._replace(extra={**content.extra, _REST: dump_json(rest)}) if rest else content

    @override
    def unsealed(self, record: Record) -> list[Row]:
        anchor, *references = super().unsealed(record)
        for _, column, _ in _REFERENCES:
            anchor.pop(column, None)
        if anchor["Value"] != dump_json(_written(record.body)):
            del anchor[_REST]
        return [anchor, *references]

    @override
    def seal(self, row: Row) -> None:
        """No row alone tells whether all of a connection is as it was written."""

    @override
    def write_columns(self, record: Record) -> Row:
        description = f"OAuth metadata for {record.key.id}"
        return {**super().write_columns(record), "Type": "json", "Value": _value(record), "Description": description}

    @override
    def twins(self, record: Record) -> list[Row]:
        _, *addresses = self.addresses(record.key)
        stamp = {name: value for name, value in super().write_columns(record).items() if name in ("UpdatedAt", "UpdatedBy")}
        return [
            {
                "PartitionKey": address.partition_key,
                "RowKey": address.row_key,
                "Type": "secret_ref",
                "Value": record.body[field],
                "Description": description.format(record.key.id),
                **stamp,
                **version_columns(record),
            }
            for address, (field, _, description) in zip(addresses, _REFERENCES, strict=True)
            if record.body[field] is not None
        ]

    @override
    def memo(self, body: Body) -> str:
        return "".join("1" if body[field] is not None else "0" for field, _, _ in _REFERENCES)

    @override
    def stale_rows(self, record: Record, memo: str) -> list[Address]:
        _, *addresses = self.addresses(record.key)
        now = self.memo(record.body)
        return [address for address, was, is_ in zip(addresses, memo, now, strict=False) if was > is_]


def _joined(anchor: StoredRow, references: Sequence[StoredRow | None]) -> StoredRow:
    """Return the anchor with the values of the other rows beside its own."""
    columns = dict(anchor.properties)
    for (_, column, _), row in zip(_REFERENCES, references, strict=True):
        columns[column] = None if row is None else row.properties.get("Value")
    return StoredRow(columns, anchor.etag)


def _metadata(row: Row) -> dict[str, Any]:
    try:
        metadata = JSON.decode(row.get("Value"))
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise UnreadableColumnError("column Value: expected a JSON object")
    return metadata


def _read(metadata: dict[str, Any], name: str) -> Any:
    value = metadata.get(name)
    if name not in _TIMES or value is None:
        return value
    try:
        return time_text(value)
    except ValueError as error:
        raise UnreadableColumnError(f"column Value: {name}: {error}") from None


def _written(body: Body) -> dict[str, Any]:
    """Return the metadata of *body* as the old application has it."""
    metadata = {name: body[field] for field, name in _ALWAYS.items()}
    metadata |= {name: body[field] for field, name in _LATER.items() if body[field] is not None}
    if body["updatedAt"] is not None and body["updatedAt"] != body["createdAt"]:
        metadata[_UPDATED_AT] = body["updatedAt"]
    return {name: naive_time(value) if name in _TIMES else value for name, value in metadata.items()}


def _value(record: Record) -> str:
    """Return the text of the metadata, with what travels along where both fit into one column."""
    metadata = _written(record.body)
    text = dump_json(metadata)
    rest = _object(record.extra.get(_REST))
    if not rest or rest.keys() & _KNOWN:
        return text
    together = dump_json({**metadata, **rest})
    return together if len(together) <= MAX_COLUMN_UNITS else text


def _object(text: Any) -> dict[str, Any]:
    """Return the JSON object that *text* is, provided that it comes back as exactly this text; else an empty one."""
    try:
        value = load_json(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) and dump_json(value) == text else {}
