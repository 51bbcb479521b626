"""What a backend may know of a kind of document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bifrost_store.core.json import check_text
from bifrost_store.core.scope import Scope
from bifrost_store.errors import InvalidKeyError, InvalidRequestError

MAX_IDENTIFIER_CHARACTERS = 128
MAX_COLUMN_UNITS = 32_768
"""UTF-16 units of one text property: 64 KiB ("Understanding the Table service data model", Microsoft)."""
MAX_INT32 = 2_147_483_647
MAX_RECORD_UNITS = 400_000
"""UTF-16 units of a record in all: under Table Storage's 1 MiB for an entity, whatever else the row holds."""

FeedName = Literal["entities", "executions", "execution_data"]
"""What is followed by itself: everything that people configure, runs, and what runs write while they go on."""


def check_identifier(text: str, field: str) -> None:
    """Refuse what cannot be an identifier: empty, over 128 characters, or with lone surrogates.

    Raises:
        InvalidKeyError: The message names *field* and the rule.
    """
    if not text or len(text) > MAX_IDENTIFIER_CHARACTERS:
        raise InvalidKeyError(f"{field}: must have 1 to {MAX_IDENTIFIER_CHARACTERS} characters, not {len(text)}")
    try:
        check_text(text, field)
    except InvalidRequestError as error:
        raise InvalidKeyError(str(error)) from None


def check_int32(body: Mapping[str, object], *fields: str) -> None:
    """Refuse a body one of whose *fields* is neither null nor a whole number of 32 bits, as today's tables have them.

    Raises:
        InvalidRequestError: The message names the field.
    """
    for field in fields:
        value = body[field]
        if value is not None and (type(value) is not int or not -MAX_INT32 - 1 <= value <= MAX_INT32):
            raise InvalidRequestError(f"{field}: must be a whole number from {-MAX_INT32 - 1} to {MAX_INT32}, or null")


@dataclass(frozen=True, slots=True)
class DocumentSpec:
    """A kind of document as backends see it.

    Attributes:
        kind: The type discriminator, stored with every record.
        fields: Names that a body has, each of them always present; None: any.
        id_field: Field of a body that repeats the record's id.
        queryable: Fields that filters and aggregates may name.
        unindexed: Payloads, which are only ever read: a backend that indexes whatever it stores leaves them out. ``value`` is a
            field that holds one value, ``value/*`` one that may hold an object or a list.
        scopes: Where records of this kind may live.
        feed: Whose changes they are among: those that are followed together are stored together, where a backend has such places.
        column_limit: UTF-16 units of any one field's stored text; None: only the record's own limit counts.
        record_limit: UTF-16 units of the whole record's text; None: unlimited.
        is_json: Whether a field of a body is stored as JSON text, which counts for its size; by default all but text is.
        check_body: Raises InvalidRequestError for a body that cannot be of this kind.
        has_extra: Stored columns that no field claims travel along.
        is_batchable: Records of one scope can be written together on every backend.
        is_internal: The library's own, about where data goes. Such records are in one store each: no scan meets them, so that they
            are neither copied, compared nor dumped, and no route sends them anywhere.
        ages: Records that store no expiry end by the retention that a migration recorded.
        is_append_only: Records are added and then stay for good as they are: no replace, no delete, no expiry.
        is_derived: Records are made from others and made again, over whatever is stored, so that nobody need know whether somebody
            wrote past the library.
        check_id: Raises InvalidKeyError for a text that is no id of this kind.
    """

    kind: str
    fields: frozenset[str] | None = None
    id_field: str | None = None
    queryable: frozenset[str] = frozenset()
    unindexed: tuple[str, ...] = ()
    scopes: Literal["global", "organization", "tenant", "system", "any"] = "tenant"
    feed: FeedName = "entities"
    column_limit: int | None = MAX_COLUMN_UNITS
    record_limit: int | None = MAX_RECORD_UNITS
    is_json: Callable[[str, Mapping[str, object]], bool] = lambda field, body: not isinstance(body[field], str)
    check_body: Callable[[str, Mapping[str, object]], None] = lambda record_id, body: None
    has_extra: bool = True
    is_batchable: bool = True
    is_internal: bool = False
    ages: bool = False
    is_append_only: bool = False
    is_derived: bool = False
    check_id: Callable[[str], None] = lambda text: check_identifier(text, "id")

    def allows(self, scope: Scope) -> bool:
        """Return whether records of this kind may live in *scope*."""
        match self.scopes:
            case "global":
                return scope.value == "GLOBAL"
            case "organization":
                return scope.organization_id is not None
            case "tenant":
                return scope.value != "SYSTEM"
            case "system":
                return scope.value == "SYSTEM"
            case "any":
                return True


Specs = Mapping[str, DocumentSpec]
"""Every kind a store knows, by name."""
