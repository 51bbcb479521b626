"""Session tokens that clients send: a reader who has seen more than the server has may not be answered from less."""

from __future__ import annotations

from collections.abc import Iterable

from bifrost_store.emulator.containers.container import Container, PhysicalRange
from bifrost_store.emulator.wire.errors import ServiceError, bad_request

NOT_AVAILABLE = 1002
"""Substatus of a 404 that speaks of the session, not of the item."""


def check_session(token: str, container: Container, physicals: Iterable[PhysicalRange]) -> None:
    """Refuse a read whose session is ahead of the container, as after it was restored; the SDK tries once more.

    Args:
        token: ``<range id>:<version>#<LSN>...``, for several ranges with commas between; what names no range says nothing.

    Raises:
        ServiceError: 404/1002; the session has seen later writes. 400; a range's part is no session token.
    """
    ids = {name for physical in physicals for name in (physical.id, *physical.parents)}
    for part in token.split(","):
        range_id, colon, position = part.strip().rpartition(":")
        if not colon or range_id.rpartition(",")[2] not in ids:
            continue
        fields = position.split("#")
        try:
            lsn = int(fields[1] if len(fields) > 1 else fields[0])
        except ValueError:
            raise bad_request(f"The session token '{token[:100]}' is invalid.") from None
        if lsn > container.lsn:
            raise ServiceError(404, "The read session is not available for the input session token.", sub_status=NOT_AVAILABLE)
