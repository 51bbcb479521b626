"""What callers pass in, checked before anything is written. Every refusal names the field and the rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar, cast

from bifrost_store.core.clock import as_utc
from bifrost_store.core.json import check_text, copy_json, is_longer
from bifrost_store.core.query import MAX_PAGE_SIZE
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import MAX_INT32, MAX_RECORD_UNITS, DocumentSpec, check_identifier
from bifrost_store.errors import DocumentTooLargeError, InvalidKeyError, InvalidRequestError

E = TypeVar("E", bound=StrEnum)

MAX_NAME_CHARACTERS = 200


def check_scope(value: object, spec: DocumentSpec) -> None:
    """Refuse what is no `Scope`, or one in which a kind cannot live."""
    if not isinstance(value, Scope):
        raise InvalidKeyError(f"scope: must be a Scope, not {type(value).__name__}")
    if not spec.allows(value):
        raise InvalidKeyError(f"scope {value}: no {spec.kind} can be stored there")


def check_id(value: object, field: str) -> None:
    """Refuse what cannot be an identifier: 1 to 128 characters of Unicode text."""
    if not isinstance(value, str):
        raise InvalidKeyError(f"{field}: must be text, not {type(value).__name__}")
    check_identifier(value, field)


def check_email(value: object, field: str) -> None:
    """Refuse what cannot be the e-mail of a new user: an identifier with an ``@`` in it, which is what the platform asks of it."""
    check_id(value, field)
    if "@" not in str(value):
        raise InvalidKeyError(f"{field}: an e-mail has an @ in it")


def check_name(value: object, field: str, *, least: int = 1, most: int = MAX_NAME_CHARACTERS) -> None:
    """Refuse what is not text of *least* to *most* characters."""
    check_string(value, field)
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise InvalidRequestError(f"{field}: must have {least} to {most} characters")


def check_string(value: object, field: str) -> None:
    """Refuse what is not Unicode text."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{field}: must be text, not {type(value).__name__}")
    check_text(value, field)


def check_flag(value: object, field: str) -> None:
    """Refuse what is not a bool."""
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{field}: must be True or False, not {type(value).__name__}")


def check_count(value: object, field: str) -> None:
    """Refuse what is not a whole number that 31 bits hold: one from 0 that today's tables can keep."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INT32:
        raise InvalidRequestError(f"{field}: must be a whole number from 0 to {MAX_INT32}")


def check_limit(value: object) -> None:
    """Refuse what cannot be the size of a page."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PAGE_SIZE:
        raise InvalidRequestError(f"limit: must be a whole number from 1 to {MAX_PAGE_SIZE}")


def one_of(kind: type[E], value: object, field: str) -> E:
    """Return *value* as a member of *kind*."""
    for member in kind:
        if isinstance(value, str) and member == value:
            return member
    raise InvalidRequestError(f"{field}: must be one of {', '.join(kind)}")


def utc(value: object, field: str) -> datetime:
    """Return a moment in UTC; a naive one is UTC already."""
    if not isinstance(value, datetime):
        raise InvalidRequestError(f"{field}: must be a datetime, not {type(value).__name__}")
    try:
        return as_utc(value)
    except ValueError:
        raise InvalidRequestError(f"{field}: is outside the years 1 to 9999 in UTC") from None


def json_object(value: object, field: str, *, at_most: int | None = MAX_RECORD_UNITS) -> dict[str, Any]:
    """Return a plain copy of a mapping; see `plain_json`."""
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"{field}: must be a JSON object, not {type(value).__name__}")
    _check_length(value, field, at_most)
    copy: dict[str, Any] = copy_json(dict(cast(Mapping[object, object], value)), field)
    return copy


def json_list(value: object, field: str, *, at_most: int | None = MAX_RECORD_UNITS) -> list[Any]:
    """Return a plain copy of a sequence; see `plain_json`."""
    _check_length(value, field, at_most)
    copy: list[Any] = copy_json(as_list(value, field), field)
    return copy


def as_list(value: object, field: str) -> list[object]:
    """Return the items of a sequence that is no text."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray):
        raise InvalidRequestError(f"{field}: must be a list, not {type(value).__name__}")
    return list(cast(Sequence[object], value))


def plain_json(value: object, field: str, *, at_most: int | None = MAX_RECORD_UNITS) -> Any:
    """Return a copy of *value* as every backend gives it back: plain Python types, nothing shared with the caller.

    Raises:
        DocumentTooLargeError: It has surely more than *at_most* characters as JSON: found before all of it is gone through.
        InvalidRequestError: See `bifrost_store.core.json.check_json`.
    """
    _check_length(value, field, at_most)
    return copy_json(value, field)


def _check_length(value: object, field: str, at_most: int | None) -> None:
    if at_most is not None and is_longer(value, at_most):
        raise DocumentTooLargeError(f"{field}: more characters as JSON than the limit of {at_most} (UTF-16 units)")
