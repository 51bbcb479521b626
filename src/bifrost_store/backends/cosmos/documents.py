"""A record as a JSON document, and back.

The body's fields stand beside the envelope. A field named like a part of the envelope or of the service (``_etag``) has ``~``
before its name. Values are stored as `bifrost_store.core.doubles` says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from bifrost_store.backends.cosmos.errors import BACKEND
from bifrost_store.backends.cosmos.ids import document_id, is_hashed, record_id
from bifrost_store.core.doubles import dump_value, load_value
from bifrost_store.core.json import UNREADABLE, check_parsed
from bifrost_store.core.record import SCHEMA_VERSION, Body, Expiry, Key, LateDigest, Record, dump_expiry, load_expiry
from bifrost_store.core.scope import Scope, scope_named
from bifrost_store.core.spec import DocumentSpec, Specs
from bifrost_store.core.version import Version
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError, StoreError

TOMBSTONE: Final = "tombstone"

ENVELOPE: Final = frozenset({"id", "type", "scope", "sortKey", "ttl", "meta"})
"""What a document has beside the fields of its record's body, and beside what the service adds."""
_SERVICE_ETAG: Final = re.compile(r"[!-~]{1,128}")
_BESIDE: Final = ENVELOPE | {"_rid", "_self", "_etag", "_attachments", "_ts"}
"""What most documents have beside the fields of their body."""
_ESCAPE: Final = "~"
_SYSTEM: Final = "_"
_AS_THEY_ARE: Final = frozenset({str, bool, type(None)})
"""Of which `dump_value` changes none."""
_READ_AS_THEY_ARE: Final = _AS_THEY_ARE | {int}
_UNKNOWN: Final = DocumentSpec("")
"""Of a kind that this version does not know: its records travel along."""
_MAX_TTL: Final = 2_147_483_647
_TTL_MARGIN_SECONDS: Final = 3_600
"""The service's own clock decides when a document goes for good; until then the stored expiry alone counts."""

Document = dict[str, Any]


def document_from_record(record: Record, now: datetime, *, has_ttl: bool) -> Document:
    """Return the document that holds *record*; with *has_ttl* every one says how long it lives."""
    key, version = record.key, record.version
    name = document_id(key)
    meta: Document = {
        "schema": SCHEMA_VERSION,
        "epoch": version.epoch,
        "revision": version.revision,
        "writeId": version.write_id,
        "digest": record.digest,
    }
    if record.is_tombstone:
        meta["kind"] = key.kind
    if is_hashed(key, name):
        meta["id"] = key.id
    if record.expires_at is not None:
        meta["expiresAt"] = dump_expiry(record.expires_at)
    if record.extra:
        meta["extra"] = dump_value(record.extra)
    document: Document = {
        "id": name,
        "type": TOMBSTONE if record.is_tombstone else key.kind,
        "scope": key.scope.value,
        "sortKey": stored_sort_key(key.scope, record.sort_key),
    }
    ttl = ttl_of(record.expires_at, now)
    if has_ttl or ttl != -1:
        document["ttl"] = ttl
    for field, value in record.body.items():
        document[stored_name(field)] = value if type(value) in _AS_THEY_ARE else dump_value(value)
    document["meta"] = meta
    return document


def stored_sort_key(scope: Scope, sort_key: str) -> str:
    """Return the text that orders documents by (scope, sort key): ``!`` comes before all that a scope holds."""
    return f"{scope.value}!{sort_key}"


@lru_cache(maxsize=4096)
def stored_name(field: str, envelope: frozenset[str] = ENVELOPE) -> str:
    """Return what a field of a body is called in the document, beside the names of the *envelope*."""
    return _ESCAPE + field if field in envelope or field.startswith((_ESCAPE, _SYSTEM)) else field


def body_fields(document: Mapping[str, Any], envelope: Container[str] = ENVELOPE) -> Body:
    """Return the fields of the body in *document*, by their own names, with what is stored for each."""
    return {
        name[1:] if name[:1] == _ESCAPE else name: value
        for name, value in document.items()
        if name not in envelope and name[:1] != _SYSTEM
    }


def ttl_of(expires_at: Expiry, now: datetime) -> int:
    """Return for how many seconds the service is to keep a document; -1: for ever."""
    if not isinstance(expires_at, datetime):
        return -1
    left = math.ceil((expires_at - now).total_seconds()) + _TTL_MARGIN_SECONDS
    return min(max(1, left), _MAX_TTL)


def record_from_document(document: Mapping[str, Any], specs: Specs) -> Record:
    """Return the record in *document*.

    Where the digest disagrees, somebody wrote past the library: the version is then the stored revision + 1 under the digest
    of what is there. Of derived kinds nobody looks: a digest is half the work of reading one.

    Raises:
        CorruptDocumentError: It cannot be read; the message names the property.
    """
    part = "meta"
    try:
        meta = document["meta"]
        if meta["schema"] > SCHEMA_VERSION:
            raise ValueError(f"schema {meta['schema']} is newer than this library; upgrade it")
        part = "type, scope or id"
        key, is_tombstone = _key(document, meta)
        part = "sortKey"
        sort_key = _sort_key(document["sortKey"], key.scope)
        part = "the body"
        spec = specs.get(key.kind, _UNKNOWN)
        body = {} if is_tombstone else _body(document, spec.fields or frozenset())
        part = "meta"
        extra = _loaded(meta["extra"]) if "extra" in meta else {}
        if not isinstance(extra, dict):
            raise TypeError("extra is no object")
        expiry = meta.get("expiresAt")
        expires_at = load_expiry(expiry)
        stamped, digest = Version(int(meta["revision"]), str(meta["writeId"]), int(meta["epoch"])), str(meta["digest"])
        found = LateDigest(key, body, extra, expires_at, is_tombstone)
        version = stamped if spec.is_derived else Version.late(lambda: _settled(stamped, digest, found()))
        native = _hint(str(document["_etag"]), stamped.epoch, expiry)
        record = Record(key, body, sort_key, version, expires_at, extra, is_tombstone, native, BACKEND)
        return record.digested(found)
    except (*UNREADABLE, StoreError) as error:
        raise _corrupt(document, part, error) from error


def _key(document: Mapping[str, Any], meta: Mapping[str, Any]) -> tuple[Key, bool]:
    is_tombstone = document["type"] == TOMBSTONE
    kind = str(meta["kind"] if is_tombstone else document["type"])
    name = str(document["id"])
    key = Key(kind, scope_named(document["scope"]), str(meta.get("id") or record_id(kind, name)))
    if document_id(key) != name:
        raise ValueError("the id is not that of its record")
    return key, is_tombstone


def _sort_key(stored: str, scope: Scope) -> str:
    prefix = stored_sort_key(scope, "")
    if not stored.startswith(prefix):
        raise ValueError("it does not begin with the scope")
    return stored.removeprefix(prefix)


def _body(document: Mapping[str, Any], fields: frozenset[str]) -> Body:
    # Written out, as all that is read goes through it: of most documents, every field and no other has its own name.
    body: Body = {}
    for name, value in document.items():
        if name not in _BESIDE:
            if name not in fields:
                break
            body[name] = value if type(value) in _READ_AS_THEY_ARE else _loaded(value)
    else:
        if len(body) == len(fields):
            return body
    return {**dict.fromkeys(fields), **{name: _loaded(value) for name, value in body_fields(document).items()}}


def _loaded(stored: object) -> object:
    value = load_value(stored)
    check_parsed(value)
    return value


def _settled(stamped: Version, stated: str, found: str) -> Version:
    return stamped if found == stated else Version(stamped.revision + 1, found, stamped.epoch)


def _corrupt(document: Mapping[str, Any], part: str, error: Exception) -> CorruptDocumentError:
    # A decoder's error text may quote the document: only its class is shown.
    reason = str(error) if str(error).startswith("schema ") else type(error).__name__
    where = f"{document.get('type')} {document.get('scope')} {str(document.get('id'))[:80]!r}"
    return CorruptDocumentError(
        f"document {where}: {part} cannot be read ({reason}). Fix the document, or delete it", backend=BACKEND, key=where
    )


@dataclass(frozen=True, slots=True)
class NativeEtag:
    """What an etag's hint carries, so that a write needs no read before.

    Attributes:
        etag: The service's own, quotes included.
        epoch: Of the state that it names.
        expires_at: When that state ends.
    """

    etag: str
    epoch: int
    expires_at: Expiry

    def encode(self) -> str:
        """Return the text of the hint."""
        return _hint(self.etag, self.epoch, dump_expiry(self.expires_at))

    @classmethod
    def parse(cls, text: str) -> NativeEtag:
        """Return the hint that *text* encodes.

        Raises:
            InvalidRequestError: It is none of this backend's.
        """
        try:
            epoch, expiry, etag = text.split("|", 2)
            native = cls(etag, int(epoch), load_expiry(expiry or None))
        except ValueError:
            raise InvalidRequestError("etag: not one that this library gave out") from None
        if _SERVICE_ETAG.fullmatch(etag) is None:
            raise InvalidRequestError("etag: not one that this library gave out")
        return native


def _hint(etag: str, epoch: int, expiry: str | None) -> str:
    return f"{epoch}|{expiry or ''}|{etag}"
