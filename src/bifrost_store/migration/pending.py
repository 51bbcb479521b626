"""What the journal of the old primary still names at a hand-over: repaired before it and in its pause, or told by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.scope import Scope
from bifrost_store.errors import MigrationRefusedError, NextStep
from bifrost_store.migration.routes import pair_of
from bifrost_store.migration.state import repairing
from bifrost_store.mirroring.journal import UNSETTLED, Entry, Journal, UnreadableEntry
from bifrost_store.mirroring.journal_repair import JournalRepair, RepairPass
from bifrost_store.routing.control import Control

_MOST_IN_PAUSE: Final = 64
_MOST_NAMED: Final = 5


@dataclass(slots=True)
class Found:
    """The entries that concern one hand-over.

    Attributes:
        keys: Entries of records of its scopes, but for those that were seen equal and only linger.
        writers: Entries of processes that are gone.
        unreadable: Entries that cannot be read, whatever they are about.
    """

    keys: list[Entry] = field(default_factory=list)
    writers: list[Entry] = field(default_factory=list)
    unreadable: list[UnreadableEntry] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.keys) + len(self.writers) + len(self.unreadable)


class Pending:
    """The journal of the store that answers, as it concerns the scopes of one hand-over to the other store.

    Args:
        source, target: Names of the stores.
        stores: The stores by name, addressed directly.
        control: The control document as it was when the hand-over was announced.
        is_moving: Whether a scope is handed over.
        force: Leave behind what cannot be repaired, and name it.

    Attributes:
        repaired: Entries that were repaired.
        left: Entries that are left behind, with the reason.
    """

    def __init__(
        self,
        source: str,
        target: str,
        stores: Mapping[str, Backend],
        control: Control,
        *,
        is_moving: Callable[[Scope], bool],
        force: bool,
    ) -> None:
        self._source = source
        self._target = target
        self._is_moving = is_moving
        self._force = force
        self._journal = Journal(stores[source])
        self._next_journal = Journal(stores[target])
        pair = (source, target)
        self._repair = JournalRepair(
            stores[source],
            stores[target],
            self._journal,
            is_ours=lambda scope: pair_of(control.route_of(scope)) == pair,
            epoch_of=lambda scope: control.route_of(scope).epoch,
            linger_seconds=math.inf,  # what may arrive late goes over to the next journal
        )
        self._done = RepairPass()
        self.repaired = 0
        self.left: dict[str, str] = {}

    async def found(self, *, fresh: bool = False) -> Found:
        """Return what is pending now and stands in the way.

        Args:
            fresh: Whatever was seen equal may differ by now.
        """
        if fresh:
            self._done = RepairPass()
        found = Found()
        async for entry in self._journal.entries():
            if isinstance(entry, UnreadableEntry):
                found.unreadable.append(entry)
            elif entry.key is None:
                found.writers.append(entry)
            elif self._is_moving(entry.key.scope) and not self._lingers(entry):
                found.keys.append(entry)
        return self._left_behind(found) if self._force else found

    async def repair(self, *, in_pause: bool = False) -> Found:
        """Go through the journal once; return what `found` does then.

        Args:
            in_pause: Leave out what takes a scan of the store.
        """
        self._done = await self._repair.run_once(with_writers=not in_pause)
        self.repaired += self._done.repaired
        return await self.found()

    def may_pause(self, found: Found) -> bool:
        """Return whether the rest can be repaired while nobody writes."""
        # A scan for a writer, or a store that does not answer, takes longer than writers may wait (step 4).
        return not found.writers and not found.unreadable and len(found.keys) <= _MOST_IN_PAUSE and not self._done.failing

    def check(self, found: Found) -> None:
        """Refuse the hand-over where no repetition helps.

        Raises:
            MigrationRefusedError: Some entry cannot be repaired; it is named.
        """
        reasons = [f"the journal of {self._source} has {entry}" for entry in found.unreadable]
        stuck = [f"{entry} cannot be repaired: {self._done.stuck[str(entry)]}" for entry in found.keys if self._is_stuck(entry)]
        if reasons or stuck:
            raise MigrationRefusedError(
                f"the journal of {self._source} names what {self._target} may lack and cannot be given",
                reasons=_some([*reasons, *stuck]),
                next_steps=(
                    NextStep("correct or delete what is named with a storage tool"),
                    repairing("or compare every record"),
                    NextStep("and then leave behind what is named", options={"force": True}),
                ),
            )

    def refusal(self, found: Found) -> MigrationRefusedError:
        """Return what to say where the journal did not become empty in time: who is at fault, and what to do."""
        named = f"the journal of {self._source} still names {found.count} records or processes whose writes {self._target} may lack"
        if self._done.failing:
            reasons = [f"{store} does not answer as it should: {what}" for store, what in sorted(self._done.failing.items())]
            store = min(self._done.failing)
            answers = NextStep(f"see that {store} answers, then try again")
            return MigrationRefusedError(named, reasons=reasons, next_steps=(answers,))
        return MigrationRefusedError(
            f"{named}; both stores answer, and the records change faster than they are compared",
            next_steps=(NextStep("try again when fewer processes write to the same records"),),
        )

    async def hand_on(self) -> None:
        """Let the next primary's journal name what may yet arrive in the old one: before the commit."""
        keys = [entry.key for entry in self._done.lingering.values() if entry.key is not None and self._is_moving(entry.key.scope)]
        # J5: the old journal is nobody's after the commit, and the late write arrives in the old primary all the same.
        await self._next_journal.note(keys, UNSETTLED)

    async def forget(self) -> None:
        """Remove what was handed on: after the commit."""
        for entry in self._done.lingering.values():
            if entry.key is not None and self._is_moving(entry.key.scope):
                await self._journal.remove(entry)

    def _left_behind(self, found: Found) -> Found:
        """Leave behind what cannot be repaired, and note it by name; return the rest."""
        stuck = [entry for entry in found.keys if self._is_stuck(entry)]
        self.left = {str(entry): "its last writes were not compared" for entry in found.writers}
        self.left |= {str(entry): self._done.stuck[str(entry)] for entry in stuck}
        self.left |= {entry.name: str(entry.error) for entry in found.unreadable}
        return Found([entry for entry in found.keys if entry not in stuck])

    def _is_stuck(self, entry: Entry) -> bool:
        return str(entry) in self._done.stuck

    def _lingers(self, entry: Entry) -> bool:
        """Return whether both stores were equal when this entry was looked at, in the state in which it is now."""
        seen = self._done.lingering.get(entry.record.key.id)
        return seen is not None and seen.record.version == entry.record.version


def _some(reasons: Sequence[str]) -> list[str]:
    shown = list(reasons[:_MOST_NAMED])
    return shown if len(reasons) <= _MOST_NAMED else [*shown, f"and {len(reasons) - _MOST_NAMED} more"]
