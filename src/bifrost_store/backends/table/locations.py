"""Where anchors of executions were last seen, so that the next read of one needs no locator."""

from __future__ import annotations

from bifrost_store.backends.table.recent import Recent
from bifrost_store.core.record import Key


class Locations:
    """Sort keys by scope and id of executions, of those that were used last.

    While an execution exists its anchor stays where it is: deleting or purging it removes the anchor, and creating its id anew
    puts one elsewhere. So an anchor that is found where it was seen is the execution's, and one that is missing tells that the
    locator must be asked.
    """

    def __init__(self) -> None:
        self._seen = Recent()

    def of(self, key: Key) -> str | None:
        """Return the sort key of the execution at *key*, if it was seen."""
        return self._seen.of((key.scope.partition_key, key.id))

    def note(self, key: Key, sort_key: str) -> None:
        """Remember where the anchor of *key* is."""
        self._seen.note((key.scope.partition_key, key.id), sort_key)

    def forget(self, key: Key) -> None:
        """Forget where the anchor of *key* was."""
        self._seen.forget((key.scope.partition_key, key.id))
