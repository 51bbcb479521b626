"""The copies of the control document: read, and changed by compare-and-set only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

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
    NotProvisionedError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
)
from bifrost_store.routing.control import Control

CONTROL_KEY: Final = Key(CONTROL.kind, SYSTEM, "control")
_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True)
class Copy:
    """The control document of one store in the state in which it was read."""

    control: Control
    record: Record


@dataclass(frozen=True, slots=True)
class Lack:
    """A store that answers, and has no copy to go by: it was emptied, replaced, restored or damaged.

    Attributes:
        store: Its name.
        what: ``absent``: there is none; ``damaged``: it cannot be read; ``foreign``: it is of another migration, or another
            store's; ``disowned``: the other store's copy gives this one up.
        reason: The same for people, after the store's name.
        record: What lies there in its place, for a compare-and-set; None where nothing does, or where not even its row can be read.
        error: Of reading it.
    """

    store: str
    what: Literal["absent", "damaged", "foreign", "disowned"]
    reason: str
    record: Record | None = None
    error: StoreError | None = None

    def __str__(self) -> str:
        return f"{self.store} {self.reason}"


Found = Copy | Lack
"""What a store that answers has."""


class ControlCopies:
    """The control documents of the stores of a migration.

    Args:
        stores: By backend name. They are addressed directly, never through a route.
        patience: Seconds after which a store that says nothing counts as one that does not answer.
        home: The store whose copy says which migration it is, where copies differ; None: what was known first says so.

    Attributes:
        lacks: What stores that answered lacked when they were read last, by name.
        away: Why stores did not answer when they were read last, by name.
    """

    def __init__(self, stores: Mapping[str, Backend], *, patience: float = 10.0, home: str | None = None) -> None:
        self.stores = stores
        self.lacks: dict[str, Lack] = {}
        self.away: dict[str, BackendError] = {}
        self._patience = patience
        self._home = home
        self._migration_id: str | None = None

    def lack_of(self, store: str) -> Lack | None:
        """Return what *store* lacked when it was read last; None where it had its copy, or was never read."""
        return self.lacks.get(store)

    async def find(self, store: str) -> Found:
        """Return the copy in *store*, or what it lacks, whichever migration it is of.

        Raises:
            BackendError: The store does not answer.
        """
        record: Record | None = None
        try:
            record = await self.stores[store].get(CONTROL_KEY)
            if record is None:
                return Lack(store, "absent", "has no control document")
            control = Control.parse(record.body)
        except NotProvisionedError as error:
            return Lack(store, "absent", "has no control document: its database or tables are missing", error=error)
        except CorruptDocumentError as error:
            return Lack(store, "damaged", f"has a control document that cannot be read ({error})", record, error)
        if control.store != store:
            return Lack(store, "foreign", f"has a control document that is {control.store}'s: an account was copied", record)
        return Copy(control, record)

    async def read(self, store: str) -> Copy | None:
        """Return the copy in *store*, or None if there is none.

        Raises:
            CorruptDocumentError: It cannot be read, or belongs to another store: the account was restored or copied.
            BackendError: The store does not answer.
        """
        found = await self.find(store)
        if isinstance(found, Copy):
            return found
        if isinstance(found.error, NotProvisionedError):
            raise found.error
        if found.what == "absent":
            return None
        raise CorruptDocumentError(f"{found}; see `bifrost-store migrate status`") from found.error

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

    async def put(self, control: Control, over: Record | None) -> bool:
        """Store a copy where there is none, or in place of *over*, which is none to go by; return whether it is there now."""
        if over is None:
            return await self.create(control)
        return await self.change(Copy(control, over), control)

    async def look(self, *, own: str | None = None) -> dict[str, Copy]:
        """Read all copies that can be read, raise those that know less (D2), and return what is there now, by store.

        A store that does not answer, or has no copy to go by, is left out: it stops nobody (D4, D5).

        Args:
            own: The store without which nothing can be done: it is waited for as long as its backend waits.

        Raises:
            CorruptDocumentError: The own copy is damaged or another migration's, or the copies are of two migrations and nothing
                says which is this one.
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
        answers = await for_each(lambda name: self._find_in_time(name, None if name == own else self._patience), names)
        found = dict(zip(names, answers, strict=True))
        self.away = {name: answer for name, answer in found.items() if isinstance(answer, BackendError)}
        lacks = {name: answer for name, answer in found.items() if isinstance(answer, Lack)}
        copies = {name: answer for name, answer in found.items() if isinstance(answer, Copy)}
        if self.away and (len(self.away) == len(found) or (own in self.away and not copies)):
            raise self.away.get(own or "") or next(iter(self.away.values()))
        for copy in sorted(copies.values(), key=lambda copy: copy.control.highest_epoch, reverse=True):
            for store in copy.control.disowned if copy.control.store in copies else ():
                if copies.pop(store, None) is not None or store in lacks:
                    lacks[store] = Lack(store, "disowned", "was given up by --force, until `bifrost-store migrate run` takes it up")
        lacks |= self._foreign(copies)
        copies = {name: copy for name, copy in copies.items() if name not in lacks}
        self.lacks = {name: lack for name, lack in self.lacks.items() if name in self.away} | lacks
        if own in lacks and lacks[own].what in ("damaged", "foreign"):
            raise CorruptDocumentError(f"{lacks[own]}; see `bifrost-store migrate status`") from lacks[own].error
        return copies

    def expect(self, migration_id: str) -> None:
        """Say which migration it is: a copy of another counts for nothing, unless it is `home`'s."""
        self._migration_id = migration_id

    def _foreign(self, copies: Mapping[str, Copy]) -> dict[str, Lack]:
        """Return those of *copies* that are of another migration than this one."""
        ids = {name: copy.control.migration_id for name, copy in copies.items()}
        known = set(ids.values())
        ours = self._migration_id
        if self._home in ids:
            ours = ids[self._home]
        elif len(known) == 1 and (ours is None or len(ids) > 1):
            (ours,) = known
        elif len(known) > 1 and ours not in known:
            (first, one), (second, other) = ids.items()
            raise CorruptDocumentError(
                f"the control documents of {first} and {second} are of different migrations, {one} and {other}: the settings name "
                "another account or database than before, or one was restored or copied; see `bifrost-store migrate status`"
            )
        if len(self.stores) > 1 and not self.away:
            self._migration_id = ours
        reason = "has the control document of another migration"
        return {name: Lack(name, "foreign", f"{reason}, {one}", copies[name].record) for name, one in ids.items() if one != ours}

    async def _find_in_time(self, store: str, patience: float | None) -> Found | BackendError:
        try:
            with anyio.fail_after(patience):
                found = await self.find(store)
        except BackendError as error:
            return error
        except TimeoutError:
            return BackendTimeoutError(f"{store} did not answer within {patience:g} seconds; try again", backend=store)
        return found

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
