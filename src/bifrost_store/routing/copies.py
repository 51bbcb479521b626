"""The copies of the control document: read, and changed by compare-and-set only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import anyio
from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import SOURCE
from bifrost_store.coordination.rows import Form, Row, Rows
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import CONTROL
from bifrost_store.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    CorruptDocumentError,
    DocumentExistsError,
    NotProvisionedError,
    OutcomeUnknownError,
    StoreError,
)
from bifrost_store.routing.control import Control

CONTROL_KEY: Final = Key(CONTROL.kind, SYSTEM, "control")
STATE_KEY: Final = Key(CONTROL.kind, SYSTEM, "phase")
"""Of what operators know of a migration; see `migration.state`."""
HOME: Final = SOURCE
"""The store that migrations begin in. Where copies are of two migrations, and none was known before, its own says which this is."""
_FORM: Final = Form(CONTROL.kind, lambda record: Control.parse(record.body), Control.body)
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
        migration_id: Of the migration that it is of, where that can be read.
        error: Of reading it.
    """

    store: str
    what: Literal["absent", "damaged", "foreign", "disowned"]
    reason: str
    record: Record | None = None
    migration_id: str | None = None
    error: StoreError | None = None

    @override
    def __str__(self) -> str:
        return f"{self.store} {self.reason}"


Found = Copy | Lack
"""What a store that answers has."""


class ControlCopies:
    """The control documents of the stores of a migration.

    Args:
        stores: By backend name. They are addressed directly, never through a route.
        patience: Seconds after which a store that says nothing counts as one that does not answer.

    Attributes:
        lacks: What stores that answered lacked when they were read last, by name.
        away: Why stores did not answer when they were read last, by name.
    """

    def __init__(self, stores: Mapping[str, Backend], *, patience: float = 10.0) -> None:
        self.stores = stores
        self.lacks: dict[str, Lack] = {}
        self.away: dict[str, BackendError] = {}
        self._patience = patience
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
            return Lack(store, "damaged", f"has a control document that cannot be read ({error})", record, error=error)
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
            await Rows(self.stores[control.store], _FORM).create(CONTROL_KEY.id, control)
        except (DocumentExistsError, OutcomeUnknownError):
            found = await self.read(control.store)
            return found is not None and found.control == control
        return True

    async def change(self, copy: Copy, control: Control) -> bool:
        """Replace exactly the state that *copy* was read in by *control*; return whether it was done.

        False also where the answer was lost and later changes hide what happened: read again, whatever came of it.
        """
        rows = Rows(self.stores[copy.control.store], _FORM)
        return await rows.change(Row(copy.control, copy.record), control) is not None

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
            BackendError: No store answers, the own copy is damaged or another migration's, or the copies keep changing.
        """
        for _ in range(_ATTEMPTS):
            copies = await self.readable(own=own)
            if own == HOME and own in self.lacks and not await self._is_known(own, copies):
                if self.lacks[own].what == "disowned":
                    raise self._unusable(own)
                copies = {}  # before a migration of its own, whatever lies in the other store
            if await self._raise_lower(copies, own):
                return copies
        raise BackendError("the control document keeps changing; try again")

    async def _is_known(self, store: str, copies: Mapping[str, Copy]) -> bool:
        """Return whether a store without a copy is one of the pair that *copies* are of, by the state that lies there."""
        if not copies and self.lacks[store].what == "absent":
            return False
        try:
            record = await self.stores[store].get(STATE_KEY)
        except CorruptDocumentError:
            return False
        ids = {copy.control.migration_id for copy in copies.values()}
        is_known = record is not None and record.body.get("migrationId") in ids
        if not is_known and self.lacks[store].what == "damaged":
            raise self._unusable(store)
        return is_known

    def _unusable(self, store: str) -> BackendUnavailableError:
        """Return that a store cannot answer: to an operation under way it is as if it were away, so that its fate stays open."""
        lack = self.lacks[store]
        error = BackendUnavailableError(f"{lack}; see `bifrost-store migrate status`, then try again", backend=store)
        error.__cause__ = lack.error
        return error

    async def readable(self, *, own: str | None = None) -> dict[str, Copy]:
        """Return the copies that can be read, as they are, by store. Raises as `look` does; changes nothing."""
        return self.judged(await self.answers(own=own), own=own)

    async def answers(self, *, own: str | None = None) -> dict[str, Found | BackendError]:
        """Return what each store has, or why it did not answer in time, asked all at once."""
        names = list(self.stores)
        answers = await for_each(lambda name: self._answer(name, None if name == own else self._patience), names)
        return dict(zip(names, answers, strict=True))

    def judged(self, found: Mapping[str, Found | BackendError], *, own: str | None = None) -> dict[str, Copy]:
        """Return the copies among *found* that count; `lacks` and `away` tell of the others. Raises as `look` does."""
        self.away = {name: answer for name, answer in found.items() if isinstance(answer, BackendError)}
        lacks = {name: answer for name, answer in found.items() if isinstance(answer, Lack)}
        copies = {name: answer for name, answer in found.items() if isinstance(answer, Copy)}
        if self.away and (len(self.away) == len(found) or (own in self.away and not copies)):
            raise self.away.get(own or "") or next(iter(self.away.values()))
        for store, control in [
            (store, copy.control) for copy in copies.values() for store in copy.control.disowned if store in found
        ]:
            if control.finished and store in copies and copies[store].control.migration_id == control.migration_id:
                continue  # it is back: its copy is raised, and says that the migration is over
            copy = copies.pop(store, None)
            if copy is not None or store in lacks:
                known = None if copy is None else copy.control.migration_id
                lacks[store] = Lack(store, "disowned", _given_up(store, control), migration_id=known)
        lacks |= self._foreign(copies)
        copies = {name: copy for name, copy in copies.items() if name not in lacks}
        # A store that is away lacks what it lacked when it answered last.
        self.lacks = {name: lack for name, lack in self.lacks.items() if name in self.away} | lacks
        if own in lacks and (lacks[own].what == "foreign" or (lacks[own].what == "damaged" and own != HOME)):
            raise self._unusable(own)
        return copies

    def expect(self, migration_id: str) -> None:
        """Say which migration it is: while a store has its copy, one of another counts for nothing."""
        self._migration_id = migration_id

    def _foreign(self, copies: Mapping[str, Copy]) -> dict[str, Lack]:
        """Return those of *copies* that are of another migration than this one."""
        ids = {name: copy.control.migration_id for name, copy in copies.items()}
        known = set(ids.values())
        ours = self._migration_id
        if ours not in known:
            ours = ids.get(HOME) or (known.pop() if ours is None and len(known) == 1 else ours)
        if len(self.stores) > 1 and not self.away:
            self._migration_id = ours
        reason = "has the control document of another migration"
        others = {name: one for name, one in ids.items() if one != ours}
        return {name: Lack(name, "foreign", f"{reason}, {one}", copies[name].record, one) for name, one in others.items()}

    async def answer(self, store: str) -> Found | BackendError:
        """Return what `find` does, or why the store did not answer within its time."""
        return await self._answer(store, self._patience)

    async def _answer(self, store: str, patience: float | None) -> Found | BackendError:
        try:
            with anyio.fail_after(patience):
                return await self.find(store)
        except BackendError as error:
            return error
        except TimeoutError:
            return BackendTimeoutError(f"{store} did not answer within {patience:g} seconds; try again", backend=store)

    async def _raise_lower(self, copies: Mapping[str, Copy], own: str | None) -> bool:
        """Write what other copies know better into each copy; return whether nothing was written.

        A store that takes no writes stops nobody but those who need it: its copy stays lower.
        """
        is_level = True
        for store, copy in copies.items():
            raised = copy.control
            for other in copies.values():
                raised = raised.raised(other.control)
            if raised == copy.control:
                continue
            try:
                await self.change(copy, raised)
                is_level = False
            except BackendError:
                if store == own:
                    raise
        return is_level


def _given_up(store: str, control: Control) -> str:
    """Return why *store* counts for nothing, by the copy of the other store."""
    if control.finished:
        return f"was given up by `bifrost-store migrate finish`, so that BIFROST_STORE_BACKEND must be {control.store}"
    return "was given up by --force, until `bifrost-store migrate run` takes it up"
