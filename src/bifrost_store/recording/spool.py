"""What a recording has accepted and a store has not got yet, or may need whole once more: in memory, then in a file."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from typing import IO, Final

MEMORY_BYTES: Final = 8_000_000
MOST_BYTES: Final = 256_000_000
"""Of one recording. More is not taken: the process's disk is not the run's."""
_RESERVE_BYTES: Final = 4_000


class Spool:
    """A queue of byte strings that survives outages, not the process. Used by one thread at a time.

    Args:
        is_kept: What was sent is kept all the same, for `all`.
        memory_bytes, most_bytes: See `MEMORY_BYTES` and `MOST_BYTES`.
    """

    def __init__(self, *, is_kept: bool, memory_bytes: int = MEMORY_BYTES, most_bytes: int = MOST_BYTES) -> None:
        self._is_kept = is_kept
        self._memory_bytes = memory_bytes
        self._most_bytes = most_bytes
        self._clear()

    def _clear(self) -> None:
        self._head: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._ends: array[int] = array("Q")
        self._tail: list[bytes] = []
        self._tail_size = 0
        self._size = 0
        self._sent = 0

    def __len__(self) -> int:
        """Return how many wait to be sent."""
        return self._count() - self._sent

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._size

    def append(self, *entries: bytes, is_last: bool = False) -> bool:
        """Take *entries*, all or none; return whether there was room.

        Args:
            is_last: Nothing comes after them; there is always a little room for that.
        """
        reserve = _RESERVE_BYTES if is_last else 0
        added = sum(map(len, entries))
        if self._size + added > self._most_bytes + reserve:
            return False
        if self._size + added <= self._memory_bytes and not self._ends and not self._tail:
            self._head += entries
        elif not self._tail and self._write(entries):
            pass
        elif self._tail_size + added <= self._memory_bytes + reserve:
            # The disk is full: a little more memory, so that only a full disk beside a store that is away loses anything.
            self._tail += entries
            self._tail_size += added
        else:
            return False
        self._size += added
        return True

    def waiting(self, most: int, most_bytes: int) -> list[bytes]:
        """Return the next ones to be sent, at least one if any wait."""
        found: list[bytes] = []
        size = 0
        for number in range(self._sent, min(self._count(), self._sent + most)):
            data = self._get(number)
            size += len(data)
            if found and size > most_bytes:
                break
            found.append(data)
        return found

    def sent(self, count: int) -> None:
        """Note that the next *count* were sent."""
        self._sent += count
        if self._sent == self._count() and not self._is_kept:
            self.close()

    def all(self) -> Iterator[bytes]:
        """Go through everything held, in order."""
        return map(self._get, range(self._count()))

    def close(self) -> None:
        """Let go of everything."""
        if self._file is not None:
            self._file.close()
        self._clear()

    def _count(self) -> int:
        return len(self._head) + len(self._ends) + len(self._tail)

    def _file_size(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _write(self, entries: Sequence[bytes]) -> bool:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="bifrost-recording-", buffering=0)  # noqa: SIM115 - `close` does
            start = self._file_size()
            self._file.seek(start)
            view = memoryview(b"".join(entries))
            while view:
                view = view[self._file.write(view) :]
        except OSError:
            return False
        for entry in entries:
            start += len(entry)
            self._ends.append(start)
        return True

    def _get(self, number: int) -> bytes:
        if number < len(self._head):
            return self._head[number]
        number -= len(self._head)
        if number >= len(self._ends):
            return self._tail[number - len(self._ends)]
        assert self._file is not None
        start = self._ends[number - 1] if number else 0
        self._file.seek(start)
        return self._file.read(self._ends[number] - start)
