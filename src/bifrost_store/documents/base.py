"""What all documents share: camelCase JSON, UTC times, the etag, and the way to and from a record."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator, PrivateAttr, ValidationError
from pydantic.alias_generators import to_camel

from bifrost_store.core.clock import as_utc, format_time
from bifrost_store.core.record import Body, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.errors import CorruptDocumentError, InvalidKeyError

UtcTime = Annotated[datetime, AfterValidator(as_utc), PlainSerializer(format_time, return_type=str, when_used="json")]
"""A timezone-aware moment in UTC with microseconds; a stored text without a zone is UTC."""


def _scope(value: object) -> Scope:
    return value if isinstance(value, Scope) else Scope(str(value))


ScopeField = Annotated[Scope, PlainValidator(_scope), PlainSerializer(str, return_type=str, when_used="json")]


class Document(BaseModel):
    """A document as callers see it: immutable, ``snake_case`` in Python, ``camelCase`` in JSON.

    Attributes:
        scope: Whose it is.
        etag: Opaque version; pass it back to change exactly this state.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore", ser_json_inf_nan="strings"
    )
    spec: ClassVar[DocumentSpec]

    scope: ScopeField
    etag: str

    _record: Record = PrivateAttr()

    @property
    def record(self) -> Record:
        """The stored record this was read from; lets a change be written without reading again."""
        return self._record

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Return the model of *record*.

        Raises:
            CorruptDocumentError: A field cannot be read; the message names it and the remedy.
        """
        try:
            document = cls.model_validate({**record.body, **cls.identity(record), "etag": record.etag.encode()})
        except ValidationError as error:
            problems = error.errors(include_input=False)
            reason = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in problems)
            raise _corrupt(record, reason, *(str(e["loc"][0]) for e in problems)) from None
        except InvalidKeyError:
            raise _corrupt(record, "scope: names no organization", "organizationId") from None
        document._record = record  # noqa: SLF001 - its own class
        return document

    @classmethod
    def identity(cls, record: Record) -> Body:
        """Return the fields that follow from the record's key, and its scope."""
        return {"scope": record.key.scope}

    def changed(self, **changes: Any) -> Body:
        """Return this document's body with *changes* (snake_case names) made."""
        names = {name: field.alias or name for name, field in type(self).model_fields.items()}
        return {**self.record.body, **{names.get(name, to_camel(name)): _stored(value) for name, value in changes.items()}}


def _corrupt(record: Record, reason: str, *fields: str) -> CorruptDocumentError:
    """Return the error that names a record, its fields, and the row and columns that they were read from."""
    place = ""
    if record.origin is not None:
        columns = sorted({record.origin.columns[field] for field in fields if field in record.origin.columns})
        place = f" (row {record.origin.row}{', column ' if columns else ''}{', '.join(columns)})"
    return CorruptDocumentError(
        f"{record.key}: {reason}{place}. Write the field again, or delete the document",
        backend=record.backend,
        key=str(record.key),
        document=record.key.parts,
        etag=record.etag.encode(),
        partial=record,
    )


def _stored(value: Any) -> Any:
    return format_time(value) if isinstance(value, datetime) else value
