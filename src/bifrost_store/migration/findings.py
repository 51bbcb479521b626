"""What the verifications of one command found together: one for each direction in which scopes have their stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bifrost_store.migration.state import Verified
from bifrost_store.migration.verify import VerificationReport


def verified(found: Sequence[VerificationReport], *, began_at: datetime, ended_at: datetime, epoch: int) -> Verified:
    """Return what is kept of *found* in the migration's state."""
    names = sorted({kind for report in found for kind in report.kinds})
    return Verified(
        began_at=began_at,
        ended_at=ended_at,
        epoch=epoch,
        counts=_summed(report.counts for report in found),
        kinds={kind: _summed(report.kinds.get(kind, {}) for report in found) for kind in names},
        open_count=sum(report.open_count for report in found),
    )


def details(found: Sequence[VerificationReport], summary: Verified) -> dict[str, Any]:
    """Return the parts of a verification's JSON object."""
    return {
        **summary.counts,
        "kinds": summary.kinds,
        "open": summary.open_count,
        "repaired": sum(report.repaired for report in found),
        "causes": _summed(report.causes for report in found),
        "differences": [str(report.file) for report in found if report.file is not None],
    }


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)
