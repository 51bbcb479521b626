"""Says of two states of one record why they most likely differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bifrost_store.core.record import Record
from bifrost_store.migration.reports import shown


def likely_cause(primary: Record | None, secondary: Record | None) -> str:
    """Return a sentence, without values, on what most likely made *secondary* differ from *primary*."""
    if primary is None:
        return "written into the secondary past the library, or left there by something removed from the primary past the library"
    if secondary is None:
        return "not carried over: removed from the secondary, or written to the primary past the library after the backfill"
    if primary.is_tombstone != secondary.is_tombstone:
        return (
            "a deletion did not reach the secondary"
            if primary.is_tombstone
            else "deleted in the secondary alone, or created again past the library"
        )
    here, there = primary.version, secondary.version
    for side, newer, older in (("primary", primary, secondary), ("secondary", secondary, primary)):
        if newer.version.revision > max(1, older.version.revision) and _is_foreign(newer):
            return f"written past the library in the {side}"
    if here == there:
        return "same version, other content: one store was written past the library, or what it holds is damaged"
    if here.epoch != there.epoch:
        return f"written under different routes: epoch {here.epoch} in the primary, {there.epoch} in the secondary"
    if here.revision > there.revision:
        return "the last write did not reach the secondary: it is in the journal, or its process died"
    if here.revision < there.revision:
        return "the secondary is ahead: it was written past the route, or the primary was restored from an older copy"
    return "two writes of one revision: one of the stores was written past the library or past the route"


def differing_fields(primary: Record | None, secondary: Record | None) -> dict[str, dict[str, Any]]:
    """Return both values of each field that differs, by the field's path; a missing value is left out."""
    here, there = _flat(primary), _flat(secondary)
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(here.keys() | there.keys()):
        sides = {side: values[path] for side, values in (("primary", here), ("secondary", there)) if path in values}
        # As text, since 1 is not 1.0 and False is not 0.
        if len(sides) == 1 or repr(sides["primary"]) != repr(sides["secondary"]):
            found[path] = sides
    return found


def _is_foreign(record: Record) -> bool:
    """Return whether the digest of what is stored stands for the id of its last write: this library did not make it."""
    # An expiry that follows from the retention of a migration is no content of the row.
    contents = (record, replace(record, expires_at=None))
    return not record.is_tombstone and record.version.write_id in {content.digest for content in contents}


def _flat(record: Record | None) -> dict[str, Any]:
    values = shown(record) or {}
    flat = {path: value for path, value in values.items() if path not in ("body", "extra")}
    for part in ("body", "extra"):
        flat.update({f"{part}.{name}": value for name, value in values.get(part, {}).items()})
    return flat
