"""Secrets that must not leave the process: by their values, and by the names they stand under."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from bifrost_store.core.json import dump_json
from bifrost_store.errors import InvalidRequestError

MASK: Final = "***"
LEAST_CHARACTERS: Final = 6


class Masks:
    """The secrets of one recording.

    Args:
        names: What stands under a name that holds one of these, whatever its case, is masked in data, variables and states.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = re.compile("|".join(map(re.escape, names)), re.IGNORECASE) if names else None
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: object) -> None:
        """Mask *value* from now on, as it is and as JSON spells it.

        Raises:
            InvalidRequestError: It is no text, or has fewer than `LEAST_CHARACTERS` characters. It is not shown.
        """
        if not isinstance(value, str) or len(value) < LEAST_CHARACTERS:
            raise InvalidRequestError(f"mask: must be text of at least {LEAST_CHARACTERS} characters")
        spelled = dump_json(value)[1:-1]
        self._values |= {value, spelled, repr(value)[1:-1], *(line for line in value.splitlines() if len(line) >= LEAST_CHARACTERS)}
        # The longest first: of a secret that holds another one nothing must be left.
        self._pattern = re.compile("|".join(map(re.escape, sorted(self._values, key=len, reverse=True))))

    def text(self, text: str) -> str:
        """Return *text* with every secret masked."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def json(self, value: Any) -> Any:
        """Return *value*, of plain JSON types, with every secret masked, and all that stands under a masked name."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.json(part) for part in value]
            case dict():
                return {
                    self.text(name): MASK if part is not None and self._is_masked(name) else self.json(part)
                    for name, part in value.items()
                }
            case _:
                return value

    def _is_masked(self, name: str) -> bool:
        return self._names is not None and self._names.search(name) is not None
