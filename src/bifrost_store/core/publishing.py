"""What tells people of things that a store has taken, at the moment it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bifrost_store.core.execution_data import DataDocument


class Publisher(Protocol):
    """Is told of what recordings have stored. It may lose things: whoever watches reads what is missing."""

    def publish(self, documents: Sequence[DataDocument]) -> None:
        """Tell of documents of one recording, in order, which a store has acknowledged. Any thread; neither waits nor raises."""
        ...
