"""What waits to be sent to one client."""

from __future__ import annotations

from typing import Final, NamedTuple

from bifrost_store.signalr import wire
from bifrost_store.signalr.counters import Counters
from bifrost_store.signalr.limits import Limits

RESYNC_TARGET: Final = "resync"
RESYNC: Final = wire.invocation(RESYNC_TARGET, ())


class _Waiting(NamedTuple):
    record: str
    size: int
    is_answer: bool


class Outbox:
    """A bounded queue. When it is full, what a client can read elsewhere is replaced by one ``resync``.

    Answers to what the client asked itself are kept in any case; who lets too many of them wait is to be dropped.
    """

    __slots__ = ("_answers_size", "_count", "_counters", "_is_resyncing", "_limits", "_size", "_waiting")

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._waiting: list[_Waiting] = []
        self._size = 0
        self._answers_size = 0
        self._count = 0
        self._is_resyncing = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def answer(self, record: str) -> None:
        """Add what must not be lost while the connection lasts."""
        size = wire.size_of(record)
        self._answers_size += size
        self._waiting.append(_Waiting(record, size, is_answer=True))

    @property
    def has_too_many_answers(self) -> bool:
        """Whether the client asks, and does not take the answers."""
        return self._answers_size > self._limits.queue_bytes

    def put(self, record: str, size: int) -> bool:
        """Add a message; return False if the client is too slow, as it was before and has not caught up since."""
        if self._size + size > self._limits.queue_bytes or self._count >= self._limits.queue_messages:
            if self._is_resyncing:
                return False
            self.drop()
            self._is_resyncing = True
            self._counters.resyncs += 1
            self._add(RESYNC, len(RESYNC))
        self._add(record, size)
        return True

    def take(self) -> tuple[str, int, int]:
        """Return the next records as one frame, how many bytes it has, and how many messages; an empty frame if none wait."""
        count = taken_bytes = 0
        for _, size, is_answer in self._waiting:
            if count and taken_bytes + size > self._limits.frame_bytes:
                break
            count += 1
            taken_bytes += size
            if is_answer:
                self._answers_size -= size
            else:
                self._size -= size
                self._count -= 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return "".join(one.record for one in taken), taken_bytes, count

    def caught_up(self) -> None:
        """Note that the client has taken everything."""
        self._is_resyncing = False

    def drop(self) -> None:
        """Forget the messages that wait, but for answers."""
        self._counters.messages_dropped += self._count
        self._waiting = [one for one in self._waiting if one.is_answer]
        self._size = self._count = 0

    def _add(self, record: str, size: int) -> None:
        self._waiting.append(_Waiting(record, size, is_answer=False))
        self._size += size
        self._count += 1
