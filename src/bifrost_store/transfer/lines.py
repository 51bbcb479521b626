"""A record as one line of JSON, and back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bifrost_store.core.json import dump_json, load_storable_json
from bifrost_store.core.record import LATER_FIELDS, Body, Key, Record, dump_expiry, load_expiry
from bifrost_store.core.scope import scope_named
from bifrost_store.core.version import Version
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    kind: str
    scope: str
    id: str
    sortKey: str  # noqa: N815 - as it stands in the file
    epoch: Annotated[int, Field(ge=0)]
    revision: Annotated[int, Field(ge=1)]
    writeId: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]  # noqa: N815
    expiresAt: str | None  # noqa: N815
    isTombstone: bool  # noqa: N815
    body: dict[str, Any]
    extra: dict[str, Any]


def line_of(record: Record) -> bytes:
    """Return the line that stands for *record*, its end included: ASCII, every value type for type."""
    version = record.version
    values = {
        "kind": record.key.kind,
        "scope": record.key.scope.value,
        "id": record.key.id,
        "sortKey": record.sort_key,
        "epoch": version.epoch,
        "revision": version.revision,
        "writeId": version.write_id,
        "expiresAt": dump_expiry(record.expires_at),
        "isTombstone": record.is_tombstone,
        # Backends differ in the order of columns, which means nothing; what callers gave within them is left as it is.
        "body": dict(sorted(record.body.items())),
        "extra": dict(sorted(record.extra.items())),
    }
    return (dump_json(values) + "\n").encode("ascii")


def record_of(line: bytes) -> Record:
    """Return the record that *line* stands for.

    Raises:
        CorruptDocumentError: It is no such line; the message names the fields.
    """
    try:
        one = _Line.model_validate(load_storable_json(line.decode("utf-8-sig", "surrogatepass")))
        return Record(
            Key(one.kind, scope_named(one.scope), one.id),
            one.body if one.isTombstone else _with_later_fields(one.kind, one.body),
            one.sortKey,
            Version(one.revision, one.writeId, one.epoch),
            load_expiry(one.expiresAt),
            one.extra,
            one.isTombstone,
        )
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"][0]) for problem in error.errors(include_input=False) if problem["loc"])
        raise CorruptDocumentError(f"not a dumped record ({fields or 'no object'}); dump again") from None
    except InvalidRequestError as error:
        raise CorruptDocumentError(f"not a dumped record ({error}); dump again") from None
    except ValueError:
        raise CorruptDocumentError("not a dumped record (not JSON, or an expiry that is no date); dump again") from None


def _with_later_fields(kind: str, body: Body) -> Body:
    """Return *body* with the fields that *kind* has gained since it was dumped."""
    return {**dict.fromkeys(LATER_FIELDS.get(kind, ())), **body}
