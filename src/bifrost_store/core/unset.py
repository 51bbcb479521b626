"""Tells "not given" from None in partial updates."""

from __future__ import annotations

import enum
from typing import Final

from typing_extensions import override


class Unset(enum.Enum):
    """Type of `UNSET`: the argument was not given, the field keeps its value. None sets a field to null."""

    UNSET = "UNSET"

    @override
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
