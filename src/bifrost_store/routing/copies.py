"""The copies of the control document: read, and changed by compare-and-set only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import CONTROL
from bifrost_store.errors import (
    BackendError,
    BackendTimeoutError,
    CorruptDocumentError,
    DocumentExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
)
from bifrost_store.routing.control import Control

CONTROL_KEY: Final = Key(CONTROL.kind, SYSTEM, "control")
_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True)
class Copy:
    """The control document of one store in the state in which it was read."""

    control: Control
    record: Record


class ControlCopies:
    """The control documents of the stores of a migration.

    Args:
        stores: By backend name. They are addressed directly, never through a route.
        patience: Seconds after which a store that says nothing counts as one that does not answer.
    """

    def __init__(self, stores: Mapping[str, Backend], *, patience: float = 10.0) -> None:
        self.stores = stores
        self._patience = patience

    async def read(self, store: str) -> Copy | None:
        """Return the copy in *store*, or None if there is none.

        Raises:
            CorruptDocumentError: It cannot be read, or belongs to another store: the account was restored or copied.
            BackendError: The store does not answer.
        """
        record = await self.stores[store].get(CONTROL_KEY)
        if record is None:
            return None
        control = Control.parse(record.body)
        if control.store != store:
            raise CorruptDocumentError(f"the control document of {store} says that it is {control.store}'s: an account was copied")
        return Copy(control, record)

    async def create(self, control: Control) -> bool:
        """Store a first copy in the store that it names; return whether it is this one that is there now."""
        try:
            await self.stores[control.store].create(Record(CONTROL_KEY, control.body()))
        except (DocumentExistsError, OutcomeUnknownError):
            found = await self.read(control.store)
            return found is not None and found.control == control
        return True

    async def change(self, copy: Copy, control: Control) -> bool:
        """Replace exactly the state that *copy* was read in by *control*; return whether it was done.

        False also where the answer was lost and later changes hide what happened: read again, whatever came of it.
        """
        try:
            await self.stores[copy.control.store].replace(copy.record.with_body(control.body()), copy.record.etag)
        except (PreconditionFailedError, DocumentNotFoundError, OutcomeUnknownError):
            return False
        return True

    async def look(self, *, own: str | None = None) -> dict[str, Copy]:
        """Read all copies that can be read, raise those that know less (D2), and return what is there now, by store.

        A store that does not answer is left out: a dead secondary stops nobody (D4).

        Args:
            own: The store without which nothing can be done: it is waited for as long as its backend waits.

        Raises:
            CorruptDocumentError: A copy cannot be read, or the copies belong to different migrations.
            BackendError: No store answers, or the copies keep changing.
        """
        for _ in range(_ATTEMPTS):
            copies = await self.readable(own=own)
            if await self._raise_lower(copies):
                return copies
        raise BackendError("the control document keeps changing; try again")

    async def readable(self, *, own: str | None = None) -> dict[str, Copy]:
        """Return the copies that can be read, as they are, by store. Raises as `look` does; changes nothing."""
        names = list(self.stores)
        found = dict(
            zip(
                names,
                await for_each(lambda name: self._read_in_time(name, None if name == own else self._patience), names),
                strict=True,
            )
        )
        failed = [answer for answer in found.values() if isinstance(answer, BackendError)]
        if failed and len(failed) == len(found):
            raise failed[0]
        return {name: answer for name, answer in found.items() if isinstance(answer, Copy)}

    async def _read_in_time(self, store: str, patience: float | None) -> Copy | BackendError | None:
        try:
            with anyio.fail_after(patience):
                return await self.read(store)
        except BackendError as error:
            return error
        except TimeoutError:
            return BackendTimeoutError(f"{store} did not answer within {patience:g} seconds; try again", backend=store)

    async def _raise_lower(self, copies: Mapping[str, Copy]) -> bool:
        """Write what other copies know better into each copy; return whether there was nothing to write."""
        is_level = True
        for copy in copies.values():
            raised = copy.control
            for other in copies.values():
                raised = raised.raised(other.control)
            if raised != copy.control:
                is_level = False
                await self.change(copy, raised)
        return is_level
