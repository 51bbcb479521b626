"""Where anchors of executions were last seen, so that the next read of one needs no locator."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from bifrost_store.core.record import Key

MOST_LOCATIONS: Final = 10_000
"""About 3 MB."""


class Locations:
    """Sort keys by scope and id of executions, of those that were used last.

    While an execution exists its anchor stays where it is: deleting or purging it removes the anchor, and creating its id anew
    puts one elsewhere. So an anchor that is found where it was seen is the execution's, and one that is missing tells that the
    locator must be asked.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int = MOST_LOCATIONS) -> None:
        self._most = most
        self._sort_keys: OrderedDict[tuple[str, str], str] = OrderedDict()

    def of(self, key: Key) -> str | None:
        """Return the sort key of the execution at *key*, if it was seen."""
        place = (key.scope.partition_key, key.id)
        if place in self._sort_keys:
            self._sort_keys.move_to_end(place)
        return self._sort_keys.get(place)

    def note(self, key: Key, sort_key: str) -> None:
        """Remember where the anchor of *key* is; beyond the bound, the one used longest ago is forgotten."""
        place = (key.scope.partition_key, key.id)
        self._sort_keys[place] = sort_key
        self._sort_keys.move_to_end(place)
        if len(self._sort_keys) > self._most:
            self._sort_keys.popitem(last=False)

    def forget(self, key: Key) -> None:
        """Forget where the anchor of *key* was."""
        self._sort_keys.pop((key.scope.partition_key, key.id), None)
