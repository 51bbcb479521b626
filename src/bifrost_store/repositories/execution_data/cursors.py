"""Places in a run's items: per recording the number up to which, or from which on, a reader has seen them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bifrost_store.core.execution_data import MAX_ITEMS, MAX_RECORDINGS, Run
from bifrost_store.errors import InvalidContinuationTokenError

Direction = Literal["after", "before"]
MAX_CURSOR_CHARACTERS: Final = 100_000
"""A client may have made it up: longer ones are not even decoded."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands in one recording.

    Attributes:
        number: Of the last item that it has behind itself; going backwards, of the one that it has reached.
        first: Number with which the document begins that holds the next item, or could: where reading goes on. 0: in no document,
            but in what was saved with the run.
        is_ended: Nothing follows.
    """

    number: int
    first: int
    is_ended: bool = False


Position = Mapping[int, Place]
"""By recording."""


def is_of_saved(position: Position) -> bool:
    """Return whether *position* is in what was saved with a run of which nothing was recorded."""
    return any(place.first == 0 for place in position.values())


def encode_cursor(run: Run, direction: Direction, position: Position) -> str:
    """Return the text that stands for *position* to clients."""
    places = [[recording, one.number, one.first, int(one.is_ended)] for recording, one in sorted(position.items())]
    payload = json.dumps([direction, places], separators=(",", ":"))
    return base64.urlsafe_b64encode((_checksum(run, payload) + payload).encode("ascii")).decode("ascii").rstrip("=")


def decode_cursor(run: Run, direction: Direction, cursor: str) -> Position:
    """Return the position that a client gave back.

    Raises:
        InvalidContinuationTokenError: It was altered, or belongs to another run or direction.
    """
    problem = f"{direction}: not a cursor that this library gave out for this run; begin without one"
    if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR_CHARACTERS:
        raise InvalidContinuationTokenError(problem)
    try:
        text = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        payload = text[16:]
        given, places = json.loads(payload) if text[:16] == _checksum(run, payload) else (None, [])
        position = {int(recording): Place(int(number), int(first), bool(ended)) for recording, number, first, ended in places}
    except (ValueError, TypeError, RecursionError):
        raise InvalidContinuationTokenError(problem) from None
    if given != direction or not all(map(_is_possible, position, position.values())):
        raise InvalidContinuationTokenError(problem)
    return position


def _is_possible(recording: int, place: Place) -> bool:
    """Return whether ids can be made of it: a client may compute a checksum too."""
    return 0 <= recording < MAX_RECORDINGS and 0 <= place.number < MAX_ITEMS and 0 <= place.first <= MAX_ITEMS


def _checksum(run: Run, payload: str) -> str:
    text = "\n".join(("bifrost-store", run.scope.value, run.execution_id, run.creation, payload))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
