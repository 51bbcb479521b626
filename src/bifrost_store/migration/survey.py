"""What a backfill or a verification will meet, read beforehand without changing anything: for ``--dry-run``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.json import dump_json
from bifrost_store.core.record import Record
from bifrost_store.core.retention import Retention
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.errors import NotProvisionedError
from bifrost_store.migration.expiry import NO_LONGER_SEEN, Dropped, dropped_line

CARRIED_A_SECOND: Final = 300
COMPARED_A_SECOND: Final = 1000
"""Records: rounded down from what ``nox -s rates`` measured (docs/explanation/verification.md)."""
_ENVELOPE_BYTES: Final = 400
"""What a document has beside body and extra columns."""
_WRITE: Final = 5.0
_WRITE_PER_FURTHER_KIB: Final = 1.0
_WRITE_PER_FIELD: Final = 0.2
"""Request units of a creation: 5 for 1 KiB, more with size and with each indexed property ("Request Units in Azure Cosmos DB",
Microsoft). No promise of a bill; ``backfill`` reports what was charged."""
_READ_PER_KIB: Final = 0.1
"""Request units of reading everything page by page under Strong consistency."""
_NAMED: Final = 20


@dataclass(slots=True)
class Survey:
    """One store, read from end to end.

    Attributes:
        name: Name of the store.
        kinds: Records and tombstones by kind, but those that are left out.
        expired: Executions that are left out; ``no_longer_seen`` of them readers see.
        no_longer_seen: See there.
        retained: Executions that are carried and store no expiry of their own: a recorded retention ends them.
        unreadable: A line for each row that cannot be read.
        write_units, read_units: Request units that writing all of it to Cosmos DB, and reading it there, takes at a guess.
    """

    name: str
    kinds: Counter[str] = field(default_factory=Counter)
    expired: int = 0
    no_longer_seen: int = 0
    retained: int = 0
    unreadable: list[str] = field(default_factory=list)
    write_units: float = 0.0
    read_units: float = 0.0

    @property
    def total(self) -> int:
        """Records and tombstones to be carried or compared."""
        return self.kinds.total()

    def lines(self) -> list[str]:
        """Return it for people."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.kinds.items()))
        lines = [f"{self.name}: {self.total:,} records" + (f" ({kinds})" if kinds else "")]
        if ended := self.expired - self.no_longer_seen:
            lines.append(f"{ended:,} past their own expiry are left out: nobody sees them any more")
        if self.no_longer_seen:
            lines.append(dropped_line(self.no_longer_seen))
        return lines

    def obstacles(self) -> list[str]:
        """Return why the real command would not succeed."""
        named = [f"{self.name}: {line}" for line in self.unreadable[:_NAMED]]
        more = len(self.unreadable) - len(named)
        return [*named, f"{self.name}: {more} more rows cannot be read"] if more > 0 else named


def together(surveys: Sequence[Survey]) -> dict[str, Any]:
    """Return what *surveys* found in all as parts of a JSON object."""
    kinds: Counter[str] = Counter()
    for one in surveys:
        kinds.update(one.kinds)
    return {
        "counts": dict(sorted(kinds.items())),
        "records": kinds.total(),
        "expired": sum(one.expired for one in surveys),
        NO_LONGER_SEEN: sum(one.no_longer_seen for one in surveys),
        "unreadable": [line for one in surveys for line in one.unreadable],
    }


async def survey(
    backend: Backend,
    name: str,
    specs: Specs,
    *,
    now: datetime,
    dropped: Dropped | None = None,
    retention: Retention | None = None,
    includes: Callable[[Scope], bool] = lambda scope: True,
) -> Survey:
    """Read everything in a store. One that is not provisioned holds nothing.

    Args:
        dropped: What is left out though readers see it.
        retention: The retention that is recorded, or would be.
        includes: Whether a scope's records count.
    """
    found = Survey(name)
    try:
        async for page in backend.scan():
            found.unreadable += [str(error) for error in page.unreadable]
            for record in page.records:
                if includes(record.key.scope):
                    _note(found, record, specs, now, dropped, retention)
    except NotProvisionedError:
        return found
    return found


def _note(found: Survey, record: Record, specs: Specs, now: datetime, dropped: Dropped | None, retention: Retention | None) -> None:
    has_ended = not record.is_tombstone and record.is_expired(now)
    if has_ended or (dropped is not None and dropped.has(record)):
        found.expired += 1
        found.no_longer_seen += not has_ended
        return
    found.kinds[record.key.kind] += 1
    derived = None if retention is None else retention.expiry_of(record.body)
    found.retained += specs[record.key.kind].ages and not record.is_tombstone and record.expires_at in (None, derived)
    kib = (len(dump_json(record.body)) + len(dump_json(record.extra)) + _ENVELOPE_BYTES) / 1024
    fields = len(record.body) + len(record.extra)
    found.write_units += _WRITE + _WRITE_PER_FIELD * fields + _WRITE_PER_FURTHER_KIB * max(0.0, kib - 1)
    found.read_units += _READ_PER_KIB * kib
