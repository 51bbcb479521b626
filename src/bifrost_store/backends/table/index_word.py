"""Whether index rows are written: until an operator says that the old application, which reads them, has stopped for good."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from azure.core.exceptions import AzureError

from bifrost_store.backends.table.account import Put, Remove, TableAccount, counted_as
from bifrost_store.backends.table.places import RELATIONSHIPS

INDEX_WORD: Final = "bs-index-rows"
"""Row key, in the partition of the index rows."""
_WORD: Final = "BsWord"
TRUSTED_SECONDS: Final = 30.0
"""So long a process goes by what it read, by its own clock, from before it asked."""


class Word(StrEnum):
    """What the operator said last; without a row nothing was said, and index rows are written."""

    STOPPED = "stopped"
    RESUMING = "resuming"
    """They are written again, and those that are missing are not all there yet."""


class IndexWord:
    """The operator's word as one process knows it.

    A process that does not know it yet goes on writing index rows, which harms nobody. One that knows it leaves them out for
    `TRUSTED_SECONDS` at most: so long after it was withdrawn every process writes them again.

    Args:
        monotonic: The clock, in seconds.
    """

    def __init__(self, account: TableAccount, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._account = account
        self._monotonic = monotonic
        self._is_stopped = False
        self._trusted_until = float("-inf")

    @property
    def is_known(self) -> bool:
        """Whether what was read is still good."""
        return self._monotonic() < self._trusted_until

    async def is_stopped(self) -> bool:
        """Return whether index rows may be left out of what was stored before this is asked.

        Without a request, but if the word was to stop and has lapsed, as it may while a write waits.
        """
        if self._is_stopped:
            await self.look()
        return self._is_stopped and self.is_known

    async def look(self) -> None:
        """Read the word, unless what was read is still good. If it cannot be read, index rows are written."""
        if self.is_known:
            return
        asked = self._monotonic()
        try:
            with counted_as("table_metadata"):
                word = await self.read()
        except AzureError:
            return
        self._is_stopped, self._trusted_until = word is Word.STOPPED, asked + TRUSTED_SECONDS

    async def read(self) -> Word | None:
        """Return what is stored.

        Raises:
            AzureError: The service cannot be asked.
        """
        row = await self._account.read(RELATIONSHIPS, "GLOBAL", INDEX_WORD)
        text = None if row is None else row.properties.get(_WORD)
        return next((word for word in Word if word.value == text), None)

    async def write(self, word: Word | None) -> None:
        """Store the word for every process, or take it away."""
        row = {"PartitionKey": "GLOBAL", "RowKey": INDEX_WORD}
        await self._account.write(RELATIONSHIPS, [Put({**row, _WORD: word.value}) if word else Remove("GLOBAL", INDEX_WORD)])
        self._trusted_until = float("-inf")
