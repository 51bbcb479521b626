"""Load at the waist: a dump's records applied, its blobs and execution data stored, in any store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from anyio import to_thread

from bifrost_store.core.operations import MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS, Apply
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import MAX_CONCURRENT_CALLS, for_each
from bifrost_store.documents import SPECS
from bifrost_store.errors import ConfigurationError, CorruptDocumentError, DocumentExistsError, InvalidKeyError, InvalidRequestError
from bifrost_store.store import Store
from bifrost_store.transfer.blobs import BlobFiles, BlobLine
from bifrost_store.transfer.data_homes import DataHomes
from bifrost_store.transfer.data_lines import data_of
from bifrost_store.transfer.homes import BlobHomes
from bifrost_store.transfer.lines import record_of
from bifrost_store.transfer.report import TransferReport
from bifrost_store.transfer.state import DumpState, LoadState, StateFile

_LINES_PER_STATE = 2 * MAX_CONCURRENT_CALLS * MAX_BATCH_OPERATIONS
_BYTES_PER_STATE = 2 * MAX_CONCURRENT_CALLS * MAX_BATCH_BYTES
_BLOBS_PER_STATE = 16

Line = tuple[int, bytes]
"""Where in the file a line begins, and its text."""
Placed = tuple[int, Record]
"""Where in the file a record's line begins, and the record."""


async def load_records(store: Store, folder: Path, *, restart: bool = False, progress: Progress = silent) -> TransferReport:
    """Apply every record of a complete dump to *store*, and store its blobs; what is there as new or newer stays.

    An interrupted load goes on where it stopped, if it is into the same store still; ``load.json`` says how far it is. From
    the beginning it changes nothing that is already there.

    Args:
        restart: Begin with the first record, whatever was loaded before.

    Raises:
        ConfigurationError: *folder* holds no complete dump of this format, or it was loaded into *store* already.
    """
    load = _Load(store, folder, progress)
    await load.begin(restart=restart)
    await load.read_records()
    await load.read_blobs()
    return await load.read_data()


class _Load:
    def __init__(self, store: Store, folder: Path, progress: Progress) -> None:
        self._store = store
        self._folder = folder
        self._progress = progress
        self._lines = folder / "records.jsonl"
        self._data_lines = folder / "execution_data.jsonl"
        self._blobs = BlobFiles(folder)
        self._file = StateFile(folder / "load.json", LoadState)

    async def begin(self, *, restart: bool) -> None:
        dump = self._dumped = self._dump()
        await self._store.provision()
        before = self._file.read()
        fresh = LoadState(id=dump.id, places=self._store.places)
        if restart or before is None or (before.id, before.places) != (fresh.id, fresh.places):
            before = fresh
        is_gone = await self._apply_last(before)
        if is_gone is not False:
            before = fresh.model_copy(update={"written": int(bool(is_gone))})
        if before.is_complete:
            raise ConfigurationError(f"{self._folder} was loaded into this store already; load it again with --restart")
        self._state = before
        self._report = TransferReport(
            before.records, before.written, before.blobs, before.documents, before.unreadable, before.unnamed
        )

    def _dump(self) -> DumpState:
        dump = StateFile(self._folder / "dump.json", DumpState).read()
        if dump is None or not dump.is_complete:
            raise ConfigurationError(f"{self._folder} holds no complete dump; finish it with `bifrost-store dump {self._folder}`")
        for path, found, wanted in (
            (self._lines, _size(self._lines), dump.records_bytes),
            (self._data_lines, _size(self._data_lines), dump.data_bytes),
            (self._folder / "blobs.jsonl", self._blobs.size, dump.blobs_bytes),
        ):
            if found != wanted:
                raise ConfigurationError(f"{path} has {found} bytes, the dump wrote {wanted}; dump again")
        return dump

    async def _apply_last(self, before: LoadState) -> bool | None:
        """Return whether what was loaded last had to be written again: an emulator's store is emptied behind the same name.

        None if that cannot be told.

        Raises:
            ConfigurationError: What was done before does not end where a line does.
        """
        if before.position > self._dumped.records_bytes or before.data_position > self._dumped.data_bytes:
            raise self._file.damaged()
        if sum(1 for _ in islice(self._blobs.lines(), before.blob_lines)) < before.blob_lines:
            raise self._file.damaged()
        if before.data_position and not _ends_a_line(self._data_lines, before.data_position):
            raise self._file.damaged()
        if before.position == 0:
            return False
        line = next((line for _, line in _lines(self._lines, min(before.last, before.position))), b"")
        if before.last + len(line) != before.position or not line:
            raise self._file.damaged()
        try:
            return await self._store.backend.apply(record_of(line))
        except (InvalidRequestError, CorruptDocumentError):
            return None

    async def read_records(self) -> None:
        lines = _lines(self._lines, self._state.position)
        while batch := list(_some(lines)):
            await for_each(self._apply_together, _chunks(await to_thread.run_sync(self._records, batch)))
            last, line = batch[-1]
            self._save(position=last + len(line), last=last)
            self._progress("records", sum(self._report.records.values()), sum(self._dumped.records.values()))

    def _records(self, lines: Sequence[Line]) -> list[Placed]:
        """Return the records that *lines* stand for; the other lines are named in the report."""
        found: list[Placed] = []
        for position, line in lines:
            try:
                found.append((position, record_of(line)))
            except (InvalidRequestError, CorruptDocumentError) as error:
                self._refuse(position, error)
        return found

    async def _apply_together(self, chunk: Sequence[Placed]) -> None:
        if len(chunk) > 1:
            try:
                written = await self._store.backend.batch([Apply(record) for _, record in chunk])
            except (InvalidRequestError, CorruptDocumentError):
                pass  # Which record it is about, and what becomes of the others, shows one by one.
            else:
                self._report.written += sum(map(bool, written))
                for _, record in chunk:
                    self._report.note(record)
                return
        await for_each(self._apply, chunk)

    async def _apply(self, placed: Placed) -> None:
        position, record = placed
        try:
            is_written = await self._store.backend.apply(record)
            self._report.written += is_written
            self._report.note(record)
        except (InvalidRequestError, CorruptDocumentError) as error:
            self._refuse(position, error)

    def _refuse(self, position: int, error: Exception) -> None:
        self._report.refuse(f"records.jsonl at byte {position}: {error}")

    async def read_blobs(self) -> None:
        homes = BlobHomes(self._store, self._lines)
        lines = islice(self._blobs.lines(), self._state.blob_lines, None)
        while batch := list(islice(lines, _BLOBS_PER_STATE)):
            await for_each(lambda line: self._put(homes, line[1]), batch)
            self._save(blob_lines=batch[-1][0])
            self._progress("blobs", self._report.blobs, self._dumped.blobs)

    async def read_data(self) -> TransferReport:
        # After the blobs: what becomes a blob here replaces what the old application left under its name.
        homes = DataHomes(self._store)
        lines = _lines(self._data_lines, self._state.data_position) if self._data_lines.exists() else iter(())
        while batch := list(islice(lines, _LINES_PER_STATE)):
            await for_each(lambda line: self._put_data(homes, line), batch)
            last, line = batch[-1]
            self._save(data_position=last + len(line))
            self._progress("documents", self._report.documents, self._dumped.documents)
        for problem in await homes.leave(self._data_lines) if self._data_lines.exists() else ():
            self._report.refuse(problem)
        self._save(is_complete=True)
        return self._report

    async def _put_data(self, homes: DataHomes, line: Line) -> None:
        try:
            await homes.put(await to_thread.run_sync(data_of, line[1]))
            self._report.documents += 1
        except (InvalidRequestError, CorruptDocumentError, DocumentExistsError) as error:
            self._report.refuse(f"execution_data.jsonl at byte {line[0]}: {error}")

    async def _put(self, homes: BlobHomes, blob: BlobLine | CorruptDocumentError) -> None:
        try:
            if isinstance(blob, CorruptDocumentError):
                raise blob
            data = await to_thread.run_sync(self._blobs.data, blob)
            for store in await homes.of(blob.container, blob.name, blob.owner):
                if await homes.may_be_put(store, blob):
                    await store.put(blob.container, blob.name, data, content_type=blob.content_type, owner=blob.owner)
            self._report.blobs += 1
        except (CorruptDocumentError, InvalidKeyError) as error:
            self._report.refuse(error)

    def _save(self, **changes: object) -> None:
        report = self._report
        self._state = self._state.model_copy(update={**asdict(report), **changes})
        self._file.write(self._state)


def _chunks(records: Sequence[Placed]) -> list[list[Placed]]:
    """Return *records* in lists that can be written together, each key once."""
    chunks: list[dict[str, Placed]] = []
    open_chunks: dict[tuple[str, Scope], dict[str, Placed]] = {}
    for placed in records:
        key = placed[1].key
        chunk = open_chunks.get((key.kind, key.scope))
        is_batchable = key.kind in SPECS and SPECS[key.kind].is_batchable
        if chunk is None or not is_batchable or len(chunk) == MAX_BATCH_OPERATIONS or key.id in chunk:
            chunk = open_chunks[key.kind, key.scope] = {}
            chunks.append(chunk)
        chunk[key.id] = placed
    return [list(chunk.values()) for chunk in chunks]


def _some(lines: Iterator[Line]) -> Iterator[Line]:
    """Yield as many of *lines* as are held at once."""
    size = 0
    for line in islice(lines, _LINES_PER_STATE):
        yield line
        size += len(line[1])
        if size >= _BYTES_PER_STATE:
            return


def _ends_a_line(path: Path, position: int) -> bool:
    with path.open("rb") as lines:
        lines.seek(position - 1)
        return lines.read(1) == b"\n"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _lines(path: Path, start: int) -> Iterator[Line]:
    with path.open("rb") as lines:
        lines.seek(start)
        position = start
        for line in lines:
            yield position, line
            position += len(line)
