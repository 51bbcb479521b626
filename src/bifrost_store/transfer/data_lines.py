"""A document of execution data as one line of JSON, and back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bifrost_store.core.clock import format_time, parse_time
from bifrost_store.core.execution_data import DataDocument, DataType, Run
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.record import dump_expiry, load_expiry
from bifrost_store.core.scope import Scope
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError
from bifrost_store.wrappers.checked_data import check_body

_Number = Annotated[int, Field(ge=0)]


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    scope: str
    executionId: str  # noqa: N815 - as it stands in the file
    creation: str
    id: str
    type: DataType
    recording: _Number
    covers: Annotated[list[_Number], Field(min_length=2, max_length=2)]
    timestamp: str
    writeId: str  # noqa: N815
    expiresAt: str  # noqa: N815
    body: dict[str, Any]


def data_line_of(document: DataDocument) -> bytes:
    """Return the line that stands for *document*, its end included: ASCII, every value type for type."""
    values = {
        "scope": document.run.scope.value,
        "executionId": document.run.execution_id,
        "creation": document.run.creation,
        "id": document.id,
        "type": document.type,
        "recording": document.recording,
        "covers": [document.first, document.last],
        "timestamp": format_time(document.timestamp),
        "writeId": document.write_id,
        "expiresAt": dump_expiry(document.expires_at),
        "body": document.body,
    }
    return (dump_json(values) + "\n").encode("ascii")


def data_of(line: bytes) -> DataDocument:
    """Return the document that *line* stands for.

    Raises:
        CorruptDocumentError: It is no such line; the message names the fields.
    """
    try:
        one = _Line.model_validate(load_json(line))
        check_body(one.body)
        return DataDocument(
            Run(Scope(one.scope), one.executionId, one.creation),
            one.id,
            one.type,
            one.body,
            parse_time(one.timestamp),
            one.writeId,
            load_expiry(one.expiresAt),
            one.recording,
            *one.covers,
        )
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"][0]) for problem in error.errors(include_input=False) if problem["loc"])
        raise CorruptDocumentError(f"no dumped execution data ({fields or 'no object'}); dump again") from None
    except InvalidRequestError as error:
        raise CorruptDocumentError(f"no dumped execution data ({error}); dump again") from None
    except ValueError:
        raise CorruptDocumentError("no dumped execution data (not JSON, or a time that is none); dump again") from None
