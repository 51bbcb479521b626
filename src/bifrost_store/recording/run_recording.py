"""One recording: takes items from any thread, numbers them, and keeps them until the flusher has them in its spool."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback as tracebacks
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import SecretStr
from typing_extensions import override

from bifrost_store.core.execution_data import Run
from bifrost_store.errors import InvalidRequestError
from bifrost_store.recording.masks import Masks
from bifrost_store.recording.values import MAX_MESSAGE_BYTES, as_json
from bifrost_store.repository_protocols.execution_data import ItemType, Level, Recording

MOST_WAITING: Final = 20_000
MOST_WAITING_CHARACTERS: Final = 16_000_000
"""Of a queue that the flusher does not get to: it takes everything every 20 milliseconds while this process breathes."""
_RANKS: Final = {level: level.rank for level in Level}
_LEVELS: Final = {level.value: level for level in Level}


@dataclass(slots=True)
class Accepted:
    """An item on its way.

    Attributes:
        seconds: When it was made, since 1970.
        value: The line's data, the variables or the state.
        characters: That it holds, about.
        number: Its place in the recording.
        count: Of variables and states: their place among their kind.
    """

    type: ItemType
    level: Level
    seconds: float
    message: str = ""
    value: Any = None
    logger: str | None = None
    traceback: str | None = None
    characters: int = 0
    number: int = 0
    count: int = 0


@dataclass(slots=True)
class Taken:
    """What the attendant takes: items in the order of their numbers, and the numbers of those that were dropped."""

    items: list[Accepted]
    dropped: list[int]


class Attendant(Protocol):
    """Takes what a recording was given, on a thread of its own. Both methods may be called on any thread."""

    def rouse(self, recording: RunRecording) -> None:
        """Take what the recording has, soon."""
        ...

    def stored(self, recording: RunRecording, seconds: float) -> Future[bool]:
        """Return what will tell whether everything that the recording has now was stored in time."""
        ...


class RunRecording(Recording):
    """See `bifrost_store.repository_protocols.execution_data.Recording`.

    Args:
        run: Whose it is.
        level: Lines below it are not kept.
        attendant: Is roused by the first item after it took the last.
        masks: Its secrets.

    Attributes:
        counts: Lines added, by level.
        dropped: Items that were not kept, as nobody took them in time.
    """

    def __init__(self, run: Run, *, level: Level, attendant: Attendant, masks: Masks) -> None:
        self.run = run
        self.masks = masks
        self._least = level.rank
        self.begin_anew(attendant)

    def begin_anew(self, attendant: Attendant) -> None:
        """Forget everything: this process is a child that was forked, and what its parent added is its parent's."""
        self._attendant = attendant
        self._lock = threading.Lock()
        self._others: deque[Accepted] = deque()
        self._debug: deque[Accepted] = deque()
        self._size = self._waiting = 0
        self._number = 0
        self._seconds = 0.0
        self._variables: Accepted | None = None
        self._counted: Counter[str] = Counter()
        self._is_awake = False
        self._lost: list[int] = []
        self.is_ended = False
        self.counts: Counter[str] = Counter()
        self.dropped = 0

    @override
    def log(
        self,
        level: Level | str,
        message: str,
        *,
        data: Any = None,
        logger: str | None = None,
        traceback: str | None = None,
    ) -> None:
        known = _LEVELS.get(level)
        if known is None:
            raise InvalidRequestError(f"level: must be one of {', '.join(Level)}")
        self.add_line(known, str(message), time.time(), data=data, logger=logger, traceback=traceback)

    @override
    def debug(self, message: str, *, data: Any = None) -> None:
        self.add_line(Level.DEBUG, str(message), time.time(), data=data)

    @override
    def info(self, message: str, *, data: Any = None) -> None:
        self.add_line(Level.INFO, str(message), time.time(), data=data)

    @override
    def warning(self, message: str, *, data: Any = None) -> None:
        self.add_line(Level.WARNING, str(message), time.time(), data=data)

    @override
    def error(self, message: str, *, data: Any = None) -> None:
        traceback = tracebacks.format_exc() if sys.exc_info()[0] is not None else None
        self.add_line(Level.ERROR, str(message), time.time(), data=data, traceback=traceback)

    @override
    def set_variables(self, values: Mapping[str, Any]) -> None:
        if not isinstance(values, Mapping):
            raise InvalidRequestError(f"variables: must be a JSON object, not {type(values).__name__}")
        copy, characters = as_json(values)
        with self._lock:
            if self._variables is not None:
                self._size += characters - self._variables.characters
                self._variables.value, self._variables.characters = copy, characters
                return
            self._variables = self._add(Accepted("variables", Level.INFO, time.time(), value=copy, characters=characters))
        self._rouse()

    @override
    def set_state(self, value: Any) -> None:
        copy, characters = as_json(value)
        with self._lock:
            self._add(Accepted("state", Level.INFO, time.time(), value=copy, characters=characters))
        self._rouse()

    @override
    def mask(self, value: str | SecretStr) -> None:
        self.masks.add(value.get_secret_value() if isinstance(value, SecretStr) else value)

    @override
    async def flush(self, *, seconds: float = 5.0) -> bool:
        return await asyncio.wrap_future(self._attendant.stored(self, seconds))

    def add_line(
        self,
        level: Level,
        message: str,
        seconds: float,
        *,
        data: Any = None,
        logger: str | None = None,
        traceback: str | None = None,
    ) -> None:
        """Add a line. The only work done here is what a later moment could not do: taking the time, a number, and copies."""
        if _RANKS[level] < self._least:
            return
        characters = 0
        if data is not None:
            data, characters = as_json(data)
        if len(message) > MAX_MESSAGE_BYTES:
            message = message[: MAX_MESSAGE_BYTES + 1]
        line = Accepted("log", level, seconds, message, data, logger, traceback, characters + len(message))
        with self._lock:
            self._add(line)
        if not self._is_awake:
            self._rouse()

    def _add(self, item: Accepted) -> Accepted | None:
        """Number an item and queue it; to be called under the lock."""
        if self.is_ended:
            self.dropped += 1
            return None
        self._number += 1
        item.number = self._number
        # Clocks are set back; the lines of a recording never are.
        item.seconds = self._seconds = max(item.seconds, self._seconds)
        if item.type == "log":
            self.counts[item.level] += 1
        else:
            self._counted[item.type] += 1
            item.count = self._counted[item.type]
        (self._debug if item.level is Level.DEBUG else self._others).append(item)
        self._size += item.characters
        self._waiting += 1
        if self._size > MOST_WAITING_CHARACTERS or self._waiting > MOST_WAITING:
            self._make_room()
        return item

    def _make_room(self) -> None:
        while self._waiting > MOST_WAITING or (self._size > MOST_WAITING_CHARACTERS and self._waiting > 1):
            gone = (self._debug or self._others).popleft()
            self._size -= gone.characters
            self._waiting -= 1
            self._lost.append(gone.number)
            self.dropped += 1
            if gone is self._variables:
                self._variables = None

    def _rouse(self) -> None:
        self._is_awake = True
        self._attendant.rouse(self)

    def take(self) -> Taken:
        """Take everything that was added. For the attendant alone, which must come again until nothing is left."""
        with self._lock:
            others, self._others = self._others, deque()
            debug, self._debug = self._debug, deque()
            lost, self._lost = self._lost, []
            self._variables = None
            self._size = self._waiting = 0
            if not others and not debug:
                self._is_awake = False
        items = sorted((*others, *debug), key=lambda one: one.number) if debug and others else list(others or debug)
        return Taken(items, lost)

    def end(self) -> None:
        """Take nothing more."""
        with self._lock:
            self.is_ended = True
