"""What befalls a store of a migration between two steps: it is emptied, replaced by another's, restored or damaged."""

from __future__ import annotations

from typing import Final, Literal

from bifrost_store.core.record import Record
from bifrost_store.routing.control import EVERY_SCOPE, Control, Route
from bifrost_store.routing.copies import CONTROL_KEY
from bifrost_store.testing.examples import config
from bifrost_store.testing.model import ModelBackend

Fate = Literal["emptied", "foreign", "document lost", "document damaged"]
FATES: Final[tuple[Fate, ...]] = ("emptied", "foreign", "document lost", "document damaged")
FOREIGN_RECORD: Final = config("somebody-elses")


async def befall(fate: Fate, store: ModelBackend, name: str) -> None:
    """Let *fate* befall *store*, which is called *name*."""
    match fate:
        case "emptied":
            empty(store)
        case "foreign":
            empty(store)
            await store.create(FOREIGN_RECORD)
            other = "table" if name == "cosmos" else "cosmos"
            route = Route(primary=name, secondary=other, epoch=40)
            await store.create(Record(CONTROL_KEY, Control(migration_id="another", store=name, routes={EVERY_SCOPE: route}).body()))
        case "document lost":
            store._records.pop(CONTROL_KEY, None)
        case "document damaged":
            found = await store.get(CONTROL_KEY)
            if found is not None:
                await store.replace(found.with_body({"rubbish": True}), found.etag)


def empty(store: ModelBackend) -> None:
    """Remove everything from *store*, past the library."""
    store._records.clear()
