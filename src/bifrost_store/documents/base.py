"""What all documents share: camelCase JSON, UTC times, the etag, and the way to and from a record."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    computed_field,
)
from pydantic.alias_generators import to_camel
from typing_extensions import override

from bifrost_store.core.clock import as_utc, format_time, parse_stored_time
from bifrost_store.core.json import copy_parsed, copy_parsed_object
from bifrost_store.core.record import Body, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.errors import CorruptDocumentError, InvalidKeyError


def _utc(value: object, validate: ValidatorFunctionWrapHandler) -> datetime:
    moment = parse_stored_time(value) if type(value) is str else None
    return as_utc(validate(value)) if moment is None else moment


UtcTime = Annotated[datetime, WrapValidator(_utc), PlainSerializer(format_time, return_type=str, when_used="json")]
"""A timezone-aware moment in UTC with microseconds; a stored text without a zone is UTC."""


# pydantic's own check of a JSON value asks Python for the type of every part, and takes three times as long.
Json = Annotated[JsonValue, PlainValidator(copy_parsed, json_schema_input_type=JsonValue)]
"""Any JSON value, by itself: nothing of the record is shared with it."""
JsonObject = Annotated[dict[str, JsonValue], PlainValidator(copy_parsed_object, json_schema_input_type=dict[str, JsonValue])]
"""A JSON object, by itself."""


def _scope(value: object) -> Scope:
    return value if isinstance(value, Scope) else Scope(str(value))


ScopeField = Annotated[Scope, PlainValidator(_scope), PlainSerializer(str, return_type=str, when_used="json")]


_RECORD: Final = "_record"


class Document(BaseModel):
    """A document as callers see it: immutable, ``snake_case`` in Python, ``camelCase`` in JSON.

    Attributes:
        scope: Whose it is.
        etag: Opaque version; pass it back to change exactly this state. It is worked out when it is asked for or written out, and
            empty where nothing is stored.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        ser_json_inf_nan="strings",
        # Most processes meet few kinds.
        defer_build=True,
    )
    spec: ClassVar[DocumentSpec]
    # No private attribute of pydantic: those cost every model as much as checking all of its fields.
    __slots__ = (_RECORD,)

    scope: ScopeField
    given_etag: str = Field(default="", validation_alias="etag", exclude=True, repr=False)
    """Of a model that was made from what another was written out as."""

    @computed_field  # type: ignore[prop-decorator]  # of a property, which mypy does not follow
    @property
    def etag(self) -> str:
        """See the class."""
        record = self._origin
        return self.given_etag if record is None else record.etag.encode()

    @property
    def record(self) -> Record:
        """The stored record this was read from; lets a change be written without reading again.

        Raises:
            AttributeError: It was made from something else.
        """
        return cast(Record, object.__getattribute__(self, _RECORD))

    @property
    def _origin(self) -> Record | None:
        return getattr(self, _RECORD, None)

    @override
    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, Document) and self._origin == other._origin

    @override
    def __hash__(self) -> int:
        return hash((type(self), self.scope, self._origin is not None and self._origin.key))

    @override
    def __copy__(self) -> Self:
        return super().__copy__()._with(self._origin)  # noqa: SLF001 - its own class

    @override
    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return super().__deepcopy__(memo)._with(self._origin)  # noqa: SLF001 - its own class

    @override
    def __getstate__(self) -> dict[Any, Any]:
        return {**super().__getstate__(), _RECORD: self._origin}

    @override
    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._with(state[_RECORD])

    def _with(self, record: Record | None) -> Self:
        if record is not None:
            object.__setattr__(self, _RECORD, record)
        return self

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Return the model of *record*.

        Raises:
            CorruptDocumentError: A field cannot be read; the message names it and the remedy.
        """
        try:
            document: Self = cls.__pydantic_validator__.validate_python({**record.body, **cls.identity(record)})
        except ValidationError as error:
            problems = error.errors(include_input=False)
            reason = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in problems)
            raise _corrupt(record, reason, *(str(e["loc"][0]) for e in problems)) from None
        except InvalidKeyError:
            raise _corrupt(record, "scope: names no organization", "organizationId") from None
        object.__setattr__(document, _RECORD, record)
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
