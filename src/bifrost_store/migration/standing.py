"""Where a migration stands: its saved state as the control documents have it now, and what its stores lack."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.retention import Recorded, Retention
from bifrost_store.core.scope import Scope
from bifrost_store.errors import (
    BackendError,
    CorruptDocumentError,
    MigrationRefusedError,
    NextStep,
    NotProvisionedError,
    OutcomeUnknownError,
    StoreError,
)
from bifrost_store.migration.pairing import agree, check_room, copied, give, is_of
from bifrost_store.migration.remedies import is_foreign, remedy_of_absence, remedy_of_lack, remedy_of_stranger, way_without
from bifrost_store.migration.routes import newest
from bifrost_store.migration.runners import this_process
from bifrost_store.migration.state import Asked, MigrationState, Phase, Step, forced
from bifrost_store.migration.state_store import StateStore
from bifrost_store.migration.takeover import TAKEOVER_EPOCHS
from bifrost_store.routing.control import EVERY_SCOPE, Control, Route
from bifrost_store.routing.copies import ControlCopies, Copy, Found, Lack


class Standing:
    """Reads and notes where a migration stands. One object for one operator's run.

    Args:
        stores: The two stores by backend name, addressed directly.
        source, target: The stores in which the data is before and after it.
        clock: Tells the time of the phases.
        patience: Seconds after which a store that says nothing counts as one that does not answer.
        recorded: Hears the retention that the control document records.

    Attributes:
        saved: The state in the source, which counts.
        saved_copy: The copy of it in the target.
        copies: The control documents.
        control: The document that knows the last commit, as it was seen last.
        phase: The phase that was seen last; None before anything was asked.
    """

    def __init__(
        self,
        stores: Mapping[str, Backend],
        *,
        source: str,
        target: str,
        clock: Clock,
        patience: float = 10.0,
        recorded: Recorded | None = None,
    ) -> None:
        self.source = source
        self.target = target
        self.saved = StateStore(stores[source])
        self.saved_copy = StateStore(stores[target])
        self.copies = ControlCopies(stores, patience=patience)
        self.control: Control | None = None
        self.phase: Phase | None = None
        self._stores = stores
        self._now = clock
        self._recorded = recorded or Recorded()
        self._last: MigrationState | None = None

    async def look(self, *, begins: bool = False, reads_only: bool = False) -> MigrationState:
        """Return where the migration stands; nothing is written but what copies lack of each other.

        Args:
            begins: The step may begin a migration: a control document that the target alone has is another one's.
            reads_only: Write nothing.

        Raises:
            MigrationRefusedError: It is another one's.
            BackendError: The source does not answer; `phase` and `ways_without` tell what the target knows.
        """
        try:
            saved = await self._read()
        except BackendError:
            with contextlib.suppress(StoreError):
                await self.look_without_source()
            raise
        copies = await (self.copies.readable() if reads_only else self.copies.look())
        self.control = newest(copies)
        saved = saved or await self._other_copy()
        state = saved or self._fresh()
        if self.control is not None and saved is None:
            if begins and self.source not in copies:
                raise MigrationRefusedError(
                    f"{self.target} has the control document of a migration that {self.source} knows nothing of, "
                    f"{self.control.migration_id}",
                    next_steps=self.stranger,
                )
            state = state.model_copy(update={"migration_id": self.control.migration_id})
        return self._seen(state, copies)

    async def look_without_source(self) -> MigrationState:
        """Return where the migration stands by what the target knows. Changes nothing."""
        copies = await self.copies.readable()
        self.control = newest(copies)
        copy = await self.saved_copy.read()
        is_ours = copy is not None and self._id in (None, copy.migration_id)
        return self._seen(copy if copy is not None and is_ours else self._fresh(), copies)

    def ways_without(self) -> dict[str, NextStep]:
        """Return for each store that did not answer the step that goes on without it, where there is one."""
        state = self._last
        ways = {store: way_without(store, state, self.control) for store in self.copies.away} if state is not None else {}
        return {store: way for store, way in ways.items() if way is not None}

    def seen(
        self, saved: MigrationState | None, copy: MigrationState | None, answers: Mapping[str, Found | BackendError]
    ) -> MigrationState | None:
        """Return where the migration stands as state, its copy and documents were found; None: nobody knows. Changes nothing."""
        if saved is not None:
            self.copies.expect(saved.replaces or saved.migration_id)
        copies: Mapping[str, Copy] = {}
        with contextlib.suppress(StoreError):  # which `lacks` and `away` tell
            copies = self.copies.judged(answers)
        self.control = newest(copies)
        if self.control is None and saved is None:
            return None
        if saved is None and copy is not None and copy.migration_id == self._id:
            saved = copy
        if saved is None and self.source in self.copies.lacks:
            return None
        return self._seen(saved or self._fresh(), copies)

    @property
    def stranger(self) -> tuple[NextStep, ...]:
        """What to do where the target has a control document of which the source knows nothing."""
        return remedy_of_stranger(self.source, self.target, self.control)

    @property
    def _id(self) -> str | None:
        return None if self.control is None else self.control.migration_id

    async def note(self, *, moved: bool = False) -> MigrationState:
        """Save the phase that the control document has now; *moved*: scopes were cut over just now.

        Once it is finished it is kept in the target, whether the source can be reached or not.
        """
        away: BackendError | None = None
        saved: MigrationState | None = None
        try:
            saved = await self._read()
        except BackendError as error:
            away = error
        copies = await self.copies.look()
        self.control = newest(copies)
        if self.control is not None and self.control.finished:
            return await self._note_finished(saved)
        if away is not None:
            raise away
        state = self._seen(saved or self._fresh(), copies).model_copy(update={"asked": None})
        if moved:
            state = state.model_copy(update={"cut_over_at": self._now()})
        if state != saved:
            state = await self.write(state)
        if self.target in copies:
            with contextlib.suppress(BackendError, OutcomeUnknownError):
                await self.saved.copy_to(self._stores[self.target])
        return state

    async def _note_finished(self, saved: MigrationState | None) -> MigrationState:
        known = await self.look_without_source()
        state = known if saved is None else saved.seen(self.control, self._now())
        state = state.model_copy(update={"asked": None, "running": None, "runner": this_process()})
        state = await self.saved_copy.write(state)
        if self.source not in self.copies.lacks:
            with contextlib.suppress(StoreError):
                await self.saved_copy.copy_to(self._stores[self.source])
        return state

    @contextlib.asynccontextmanager
    async def asked(self, state: MigrationState, step: Step, scopes: Sequence[Scope]) -> AsyncIterator[None]:
        """Remember what was asked for while a hand-over is under way, so that whoever finds it half done names the same command.

        What was refused is forgotten: nothing has moved.
        """
        if step in (Step.CUTOVER, Step.ROLLBACK):
            asked = Asked(step=step, scopes=tuple(sorted(scope.partition_key for scope in scopes)))
            await self.write(state.model_copy(update={"asked": asked}))
        try:
            yield
        except MigrationRefusedError:
            with contextlib.suppress(StoreError):
                await self.note()
            raise

    async def write(self, state: MigrationState) -> MigrationState:
        """Save *state* as this operator's."""
        return await self.saved.write(state.model_copy(update={"runner": this_process()}))

    async def lost(self, store: str) -> str | None:
        """Return why *store* cannot answer: it does not, or it has no copy to go by; None if it can."""
        with contextlib.suppress(StoreError):
            await self._read()
        with contextlib.suppress(BackendError):
            self.control = newest(await self.copies.readable())
        lack = self.copies.lack_of(store)
        away = self.copies.away.get(store)
        return str(lack) if lack is not None else f"{store} does not answer: {away}" if away is not None else None

    def lost_copy(self, store: str, other: str, retention: Retention | None) -> Control | None:
        """Return the control document to be put back in *store*, if the saved state says that it had one."""
        state = None if self.saved.is_empty else self.saved.state
        if store != self.source or state is None or state.phase in (Phase.NONE, Phase.STARTING):
            return None
        routes = {EVERY_SCOPE: Route(primary=other, secondary=store, epoch=state.lost_epoch)}
        return Control(migration_id=state.migration_id, store=store, routes=routes, retention=retention)

    async def paired(self, state: MigrationState) -> MigrationState:
        """Return the state under which the stores are to be a pair: with an id of their own where they never were one before."""
        found = {name: await self.copies.find(name) for name in (self.source, self.target)}
        ids = {name: one.control.migration_id for name, one in found.items() if isinstance(one, Copy)}
        before = ids.get(self.source)
        if self.target in self.copies.lacks and state.phase is not Phase.NONE:
            is_dual = self.control is not None and self.target in self.control.stores
            state = state.without_results().at(Phase.STARTED if is_dual else Phase.STARTING, self._now())
        if before is not None and ids.get(self.target) == before:
            return state.model_copy(update={"migration_id": before, "replaces": None})
        if self.target in ids or before != state.migration_id:
            return state  # the source's is put back, or an interrupted start goes on
        return state.model_copy(update={"migration_id": uuid.uuid4().hex, "replaces": before})

    def can_be_made_whole(self, state: MigrationState) -> bool:
        """Return whether `verify --repair` gives the source its copy again: it lost it after the cut-over."""
        is_lost = self.source in self.copies.lacks and self.target not in self.copies.lacks
        return is_lost and state.phase is Phase.CUT_OVER and self.control is not None

    async def made_whole(self, state: MigrationState) -> MigrationState:
        """Give the source its copy again, so that what it lacks can be compared and repaired; see `can_be_made_whole`.

        Raises:
            MigrationRefusedError: It holds what this migration has not put there. Nothing was written.
        """
        assert self.control is not None
        if not is_of(await self.copies.find(self.source), state.migration_id):  # else it was interrupted after that
            known = self.control.migration_id
            if self.saved.is_empty:
                state = state.model_copy(update={"migration_id": uuid.uuid4().hex, "replaces": known})
            ids, names = {known, state.migration_id}, {"beside": self.target, "migration_id": state.migration_id}
            await check_room(self.copies, self.source, **names, ids=ids)
            await self._stores[self.source].provision()
            await self.write(state.model_copy(update={"verification": None, "progress": {}}))
            await give(self.copies, copied(self.control, self.source, migration_id=state.migration_id))
        await agree(self.copies, self.target, beside=self.source, migration_id=state.migration_id)
        return await self.look()

    def can_be_closed(self, state: MigrationState) -> bool:
        """Return whether `finish` gives the target its copy again: it lost it after that."""
        return state.phase is Phase.FINISHED and self.target in self.copies.lacks

    async def closed(self, state: MigrationState, retention: Retention | None) -> MigrationState:
        """Give the target its copy again; see `can_be_closed`.

        Raises:
            MigrationRefusedError: It was emptied, or is another migration's. Nothing was written.
        """
        await self.saved_copy.read()
        if self.saved_copy.is_absent:
            self.refuse(Step.FINISH, state)
        later = 0 if self.control is None else self.control.highest_epoch + TAKEOVER_EPOCHS
        routes = {EVERY_SCOPE: Route(primary=self.target, epoch=max(state.lost_epoch, later))}
        own: dict[str, Any] = {"finished": True, "disowned": (self.source,), "retention": retention}
        await give(self.copies, Control(migration_id=self._id or state.migration_id, store=self.target, routes=routes, **own))
        return await self.look()

    async def obstacles(self, step: Step, state: MigrationState) -> list[tuple[str, tuple[NextStep, ...]]]:
        """Return what is wrong with the stores that stands in the way of a hand-over, each with what to do about it."""
        asked = {Step.ABANDON: {self.source}, Step.FINISH: {self.target}}.get(step, {self.source, self.target})
        lacks = [lack for lack in self.missing(state) if lack.store in asked]
        found = [(self.told(lack), self.remedy(state, lacks)) for lack in lacks]
        away = self.copies.away.get(self.target)
        is_asked = step is Step.CUTOVER and not found and away is None and state.verification is not None
        if is_asked and not await self._is_as_verified(state):
            reason = "is not as it was verified last: it was restored from a copy, or another took its place"
            return [(f"{self.target} {reason}", (NextStep(step=Step.VERIFY),))]
        if found or away is None or step is Step.ABANDON:
            return found
        is_left = step is Step.ROLLBACK
        next_steps = (forced(step),) if is_left else remedy_of_absence(self.target, state, self.control)
        return [(f"{self.target} does not answer: {away}", next_steps)]

    async def _is_as_verified(self, state: MigrationState) -> bool:
        """Return whether the target is the one that was verified last, and no older copy: `verify` leaves its result there."""
        with contextlib.suppress(CorruptDocumentError):
            copy = await self.saved_copy.read()
            return copy is not None and copy.verification == state.verification
        return False

    def missing(self, state: MigrationState) -> list[Lack]:
        """Return what stores lack that they must have in this phase."""
        if self.control is None:
            is_begun = state.phase not in (Phase.NONE, Phase.STARTING, Phase.ABANDONED)
            needed = {self.source, self.target} if is_begun else set()
            # Processes ask the source's document whether there is a migration: one that they cannot read stops them.
            needed |= {name for name, lack in self.copies.lacks.items() if name == self.source and lack.what == "damaged"}
        elif self.control.finished:
            needed = {self.target}
        else:
            needed = self.control.stores
        lacks = self.copies.lacks
        foreign = {name for name, lack in lacks.items() if is_foreign(lack, state)}
        return [lacks[name] for name in (self.source, self.target) if name in lacks and name in needed | foreign]

    def remedy(self, state: MigrationState, lacks: Sequence[Lack]) -> tuple[NextStep, ...]:
        """Return what is to be done first about what stores lack."""
        bare = [name for name, kept in ((self.source, self.saved), (self.target, self.saved_copy)) if kept.is_absent]
        return remedy_of_lack(state, self.control, lacks, self.copies.lacks, bare=bare)

    def refuse(self, step: Step, state: MigrationState, *, without: str | None = None) -> None:
        """Refuse *step* where a store lacks its copy of the control document.

        Args:
            without: A store that need not have it.

        Raises:
            MigrationRefusedError: It does; nothing was changed.
        """
        if lacks := [lack for lack in self.missing(state) if lack.store != without]:
            raise MigrationRefusedError(
                f"{step} is refused", reasons=[self.told(lack) for lack in lacks], next_steps=self.remedy(state, lacks)
            )

    def told(self, lack: Lack) -> str:
        """Return what a lack means, for people."""
        route = None if self.control is None else [one for one in self.control.routes.values() if one.primary != lack.store]
        works = f"; {route[0].primary} answers" if route and not self.copies.lack_of(route[0].primary) else ""
        return f"{lack}, so that what it holds is not what this migration has put there{works}"

    def _seen(self, state: MigrationState, copies: Mapping[str, Copy]) -> MigrationState:
        state = state.seen(self.control, self._now())
        if len(copies) == len(self._stores):
            state = state.model_copy(update={"replaces": None})
        if self.control is not None and self._is_over(state.asked, self.control):
            state = state.model_copy(update={"asked": None})
        self.phase, self._last = state.phase, state
        self._recorded.retention = None if self.control is None else self.control.retention
        return state

    def _is_over(self, asked: Asked | None, control: Control) -> bool:
        """Return whether all that was asked for is where it was to go."""
        if asked is None:
            return True
        wanted = self.target if asked.step is Step.CUTOVER else self.source
        keys = [Scope.from_partition_key(scope).value for scope in asked.scopes] or [*control.routes]
        return all(control.route(key).primary == wanted for key in keys)

    async def _read(self) -> MigrationState | None:
        try:
            saved = await self.saved.read()
        except NotProvisionedError:
            return None
        if saved is not None:
            self.copies.expect(saved.replaces or saved.migration_id)
        return saved

    async def _other_copy(self) -> MigrationState | None:
        """Return the copy of the state in the target, where that in the source is damaged."""
        if not self.saved.is_damaged or self.control is None or self.target in self.copies.lacks:
            return None
        with contextlib.suppress(StoreError):
            copy = await self.saved_copy.read()
            return copy if copy is not None and copy.migration_id == self._id else None
        return None

    def _fresh(self) -> MigrationState:
        return MigrationState(migration_id=uuid.uuid4().hex, source=self.source, target=self.target, changed_at=self._now())
