"""The envelope that backends store, and its key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal

from typing_extensions import override

from bifrost_store.core.clock import format_time, parse_time
from bifrost_store.core.json import canonical_json
from bifrost_store.core.scope import Scope
from bifrost_store.core.version import NO_VERSION, Etag, Version

SCHEMA_VERSION = 1
"""Integer shape of stored records; names which parts of a record its digest covers (see `Record.digest`)."""

LATER_FIELDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType({"execution": frozenset({"creationId"})})
"""Fields that kinds gained after records of them were stored, by kind.

While such a field is None it is no part of the digest, and lines of a dump may lack it: what was stored before keeps its
version, and so do rows that the old application writes.
"""

NEVER: Final = "never"
Expiry = datetime | Literal["never"] | None
"""When a record stops existing: a moment, `NEVER`, or None where nothing is stored (rows of the old application)."""

Body = dict[str, Any]


# Keys, versions and records are made for every row that is read, and `frozen` would take a seventh of reading one: `Final` says the
# same to type checkers, and costs nothing.
@dataclass(slots=True, unsafe_hash=True)
class Key:
    """Identity of a record: equal on every backend, and built from the caller's arguments alone. Immutable."""

    kind: Final[str]
    scope: Final[Scope]
    id: Final[str]

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.scope} {self.id!r}"

    @property
    def parts(self) -> tuple[str, str, str]:
        """Kind, scope and id as texts."""
        return self.kind, self.scope.value, self.id


@dataclass(slots=True)
class Origin:
    """Where a record stands, in the words of whoever would correct it there. Immutable.

    Attributes:
        row: ``table/partition key/row key``.
        columns: The column of each field that has one of its own.
    """

    row: Final[str]
    columns: Final[Mapping[str, str]]


class LateDigest:
    """The `Record.digest` of a content that does not change: worked out once, when somebody first asks."""

    __slots__ = ("_content", "_text")

    def __init__(self, *content: Any) -> None:
        self._content = content
        self._text: str | None = None

    def __call__(self) -> str:
        if self._text is None:
            self._text = digest_of(*self._content)
        return self._text


@dataclass(slots=True)
class Record:
    """One stored document. Immutable.

    Attributes:
        key: Its identity.
        body: JSON object with camelCase names: every field that the kind's `DocumentSpec` lists, None where unset.
        sort_key: ASCII text that orders records of one kind in one scope; fixed at creation.
        version: Set by the backend; `NO_VERSION` on a record that was never stored.
        expires_at: See `Expiry`.
        extra: Stored columns that no field claims, by column name; they travel along untouched.
        is_tombstone: The record was deleted; body and extra are empty.
        native_etag: What the answering backend calls this state; a hint for `Etag`.
        backend: Name of the backend that answered, or None.
        origin: The row that it was read from, where a backend keeps records in rows that others write too.
        has_new_id: Its id was made just now, so that nothing can be stored under it.
    """

    key: Final[Key]
    body: Final[Body]
    sort_key: Final[str] = ""
    version: Final[Version] = NO_VERSION
    expires_at: Final[Expiry] = None
    extra: Final[Body] = field(default_factory=dict)
    is_tombstone: Final[bool] = False
    native_etag: Final[str | None] = field(default=None, compare=False)
    backend: Final[str | None] = field(default=None, compare=False)
    origin: Final[Origin | None] = field(default=None, compare=False, repr=False)
    has_new_id: Final[bool] = field(default=False, compare=False, repr=False)
    _told: LateDigest | None = field(default=None, init=False, compare=False, repr=False)
    """Tells the digest of what was read, to whoever asks after the version too. A copy with changes has none."""

    @property
    def etag(self) -> Etag:
        """The precondition that names this state. A tombstone's has no hint: a write that trusts one would undo the deletion."""
        native = None if self.is_tombstone else self.native_etag
        return Etag.of_record(Version(self.version.revision, self.version.write_id), self.backend, native)

    @property
    def is_first(self) -> bool:
        """Whether its version says that nothing was stored under the key before it: of a created record, and of old rows."""
        return self.version.revision <= 1 and not self.is_tombstone

    @property
    def digest(self) -> str:
        """32 hex digits over kind, scope, id, body, extra and expiry: equal for equal content on every backend.

        The version is left out, so that a digest tells whether the content is what the version's writer stored; and so are
        `LATER_FIELDS` that are None.
        """
        return self.late_digest()()

    def late_digest(self) -> LateDigest:
        """Return what tells the `digest`."""
        return self._told or LateDigest(self.key, self.body, self.extra, self.expires_at, self.is_tombstone)

    def digested(self, digest: LateDigest) -> Record:
        """Return the record itself, whose digest from now on is what *digest* tells, which must be of its content."""
        self._told = digest
        return self

    def is_expired(self, now: datetime) -> bool:
        """Return whether the record has stopped existing at *now*. Decided by what is stored, never by a store's clock."""
        return isinstance(self.expires_at, datetime) and self.expires_at <= now

    def is_present(self, now: datetime) -> bool:
        """Return whether readers see it: neither deleted nor expired."""
        return not self.is_tombstone and not self.is_expired(now)

    def with_body(self, body: Body, expires_at: Expiry | Literal["keep"] = "keep") -> Record:
        """Return the record with another body, to be passed to ``replace``."""
        return replace(self, body=body, expires_at=self.expires_at if expires_at == "keep" else expires_at)

    def tombstone(self, version: Version) -> Record:
        """Return the tombstone that stands for this record after its deletion as *version*."""
        return Record(self.key, {}, self.sort_key, version, is_tombstone=True)


def digest_of(key: Key, body: Body, extra: Body, expires_at: Expiry, is_tombstone: bool) -> str:
    """Return the `Record.digest` of a record with this content."""
    unset = {name for name in LATER_FIELDS.get(key.kind, ()) if body.get(name, "") is None}
    content = {
        "key": [key.kind, key.scope.value, key.id],
        "body": {name: value for name, value in body.items() if name not in unset} if unset else body,
        "extra": extra,
        "expiresAt": dump_expiry(expires_at),
        "tombstone": is_tombstone,
        "schema": SCHEMA_VERSION,
    }
    return hashlib.sha256(canonical_json(content)).hexdigest()[:32]


def dump_expiry(expiry: Expiry) -> str | None:
    """Return the stored text of *expiry*."""
    return format_time(expiry) if isinstance(expiry, datetime) else expiry


def load_expiry(text: str | None) -> Expiry:
    """Return the expiry that a stored *text* means.

    Raises:
        ValueError: *text* is neither ``never`` nor a date and time.
    """
    if text is None or text == NEVER:
        return None if text is None else NEVER
    return parse_time(text)


def default_sort_key(record_id: str) -> str:
    """Return the ASCII text that orders a record by its id: the id itself, with ``%`` and non-ASCII escaped."""
    if record_id.isascii() and record_id.isprintable() and "%" not in record_id:
        return record_id
    return "".join(
        c if c.isascii() and c.isprintable() and c != "%" else "".join(f"%{byte:02X}" for byte in c.encode()) for c in record_id
    )
