"""Lines as flushes leave them, stored without the time that recording takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bifrost_store import Execution, Store
from bifrost_store.core.clock import format_time
from bifrost_store.core.execution_data import DataDocument, segment_id
from bifrost_store.core.version import new_write_id
from bifrost_store.repositories.execution_data.places import run_of

_EACH: Final = 100


async def keep(
    store: Store,
    run: Execution,
    lines: Sequence[tuple[str, str]],
    *,
    recording: int = 0,
    ends: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Store levels and messages as the lines of a recording, a millisecond after each other.

    Args:
        ends: What the recording says at its end; None: it says nothing.
        more: What each line has besides.
    """
    data = (await store.backend.data_place(run.scope)).data
    assert data is not None
    began, of, flushes = datetime.now(UTC), run_of(run.record), list[list[DataDocument]]()
    for start in range(0, len(lines), _EACH):
        time, part = began + timedelta(milliseconds=start), lines[start : start + _EACH]
        kept = [
            {"number": start + index, "timestamp": format_time(time), "level": level, "message": message, **more}
            for index, (level, message) in enumerate(part, 1)
        ]
        is_last = start + _EACH >= len(lines)
        body = {"lines": kept, **({"ends": ends} if ends is not None and is_last else {})}
        identifier, expires = segment_id(run.scope, recording, start + 1), began + timedelta(days=1)
        document = DataDocument(of, identifier, "log", body, time, new_write_id(), expires, recording, start + 1, start + len(part))
        flushes.append([document])
    for first in range(0, len(flushes), 50):
        assert not any(await data.append(flushes[first : first + 50]))
