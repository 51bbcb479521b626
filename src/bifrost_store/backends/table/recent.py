"""What a process remembers of rows that it met, of a bounded number of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST: Final = 10_000
"""About 3 MB."""

Place = tuple[str, ...]


class Recent:
    """Texts by place, of the places that were used last.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._texts: OrderedDict[Place, str] = OrderedDict()

    def of(self, place: Place) -> str | None:
        """Return what was noted of *place*, if that is still known."""
        text = self._texts.get(place)
        if text is not None:
            self._texts.move_to_end(place)
        return text

    def note(self, place: Place, text: str) -> None:
        """Remember *text*; beyond the bound, what was used longest ago is forgotten."""
        self._texts[place] = text
        self._texts.move_to_end(place)
        if len(self._texts) > self._most:
            self._texts.popitem(last=False)

    def forget(self, place: Place) -> None:
        """Forget what was noted of *place*."""
        self._texts.pop(place, None)
