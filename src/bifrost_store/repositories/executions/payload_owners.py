"""To whom a blob of the old application belongs, whose name holds no scope: to the run whose record says so, if only one does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.query import ID, In
from bifrost_store.core.record import Record
from bifrost_store.documents.execution import PayloadName
from bifrost_store.repositories.executions.payloads import may_be_under_todays_name
from bifrost_store.repositories.reading import all_records

_IDS_AT_ONCE: Final = 15
"""The comparisons that Table Storage takes in one filter."""


class PayloadOwners:
    """Answers for some runs. Other scopes are asked once, and only where a blob is found that names no owner.

    Args:
        backend: Holds the runs of every scope.
        records: The runs.
    """

    def __init__(self, backend: Backend, records: Sequence[Record]) -> None:
        self._backend = backend
        self._ids = sorted({record.key.id for record in records})
        self._found: dict[str, list[Record]] | None = None
        self._unreadable: list[str] = []
        self._lock = anyio.Lock()

    async def owns(self, record: Record, payload: PayloadName) -> bool:
        """Return whether what the old application left of *payload* belongs to *record*, a state of one of the runs."""
        if not may_be_under_todays_name(record, payload):
            return False
        async with self._lock:
            if self._found is None:
                self._found = await self._find()
        id_ = record.key.id
        # Of a row that cannot be read nobody knows what it says.
        is_unsure = any(id_ in where for where in self._unreadable)
        others = [one for one in self._found.get(id_, ()) if one.key.scope != record.key.scope]
        return not is_unsure and not any(may_be_under_todays_name(other, payload) for other in others)

    async def _find(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for start in range(0, len(self._ids), _IDS_AT_ONCE):
            ids = tuple(self._ids[start : start + _IDS_AT_ONCE])
            page = await all_records(self._backend, "execution", None, In(ID, ids))
            self._unreadable += [str(error) for error in page.unreadable]
            for record in page:
                found.setdefault(record.key.id, []).append(record)
        return found
