"""What counts, times and cursors of a stored state may be: whatever stands there besides was written by nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bifrost_store.core.clock import as_utc
from bifrost_store.routing.control import MAX_EPOCH

_MOST: Final = 2**53 - 1
_LAST_YEAR: Final = 9000
"""From any moment until then, days can be counted on."""


def _in_the_calendar(moment: datetime) -> datetime:
    moment = as_utc(moment)
    if moment.year > _LAST_YEAR:
        raise ValueError(f"after the year {_LAST_YEAR}")
    return moment


Count = Annotated[int, Field(ge=0, le=_MOST)]
"""As far as every reader of JSON counts."""
Epoch = Annotated[int, Field(ge=0, le=MAX_EPOCH)]
Time = Annotated[datetime, AfterValidator(_in_the_calendar)]
"""In UTC."""


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="ignore", strict=True)


class _Cursor(_Part):
    token: str | None = None
    end: str | None = None
    after: list[str] | None = None


class _UnderWay(_Part):
    cursor: _Cursor | None = None
    kinds: dict[str, dict[str, Count]] | None = None
    unreadable: Count = 0
    done: Count | None = None
    total: Count | None = None


def _readable(values: dict[str, Any]) -> dict[str, Any]:
    try:
        _UnderWay.model_validate(values)
    except ValidationError as error:
        fields = sorted({str(problem["loc"][0]) for problem in error.errors(include_input=False)})
        raise ValueError(f"no progress: {', '.join(fields)}") from None
    return values


UnderWay = Annotated[dict[str, Any], AfterValidator(_readable)]
"""How far something is: cursors and counts, which only it reads."""
