"""Dump at the waist: every record, tombstone and document of execution data as JSON lines, every blob as a file."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from anyio import to_thread

from bifrost_store.blobs.protocol import CONTAINERS, BlobInfo, BlobStore
from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.files import make_private_folder, open_private
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.record import Record
from bifrost_store.documents import SPECS
from bifrost_store.errors import ConfigurationError, InvalidKeyError, InvalidRequestError
from bifrost_store.store import Store
from bifrost_store.transfer.blobs import BlobFiles
from bifrost_store.transfer.data_lines import data_line_of
from bifrost_store.transfer.homes import BlobHomes
from bifrost_store.transfer.lines import line_of
from bifrost_store.transfer.report import TransferReport
from bifrost_store.transfer.state import DumpState, StateFile
from bifrost_store.wrappers.checked import CheckedBackend

_BLOBS_PER_STATE = 50


async def dump_records(store: Store, folder: Path, *, restart: bool = False, progress: Progress = silent) -> TransferReport:
    """Write every record, tombstone and blob of *store* below *folder*; an interrupted dump goes on where it stopped.

    Records go to ``records.jsonl``, one a line, what runs left to ``execution_data.jsonl``; blobs to ``blobs/``, listed in
    ``blobs.jsonl``; ``dump.json`` says how far it is.
    What is written meanwhile may or may not be in it.

    Args:
        restart: Throw away what an earlier dump left in *folder*.

    Raises:
        ConfigurationError: *folder* holds a complete dump already, one of another store, or something else.
    """
    dump = _Dump(store, folder, progress)
    dump.begin(restart=restart)
    await dump.write_records()
    await dump.write_data()
    return await dump.write_blobs()


class _Dump:
    def __init__(self, store: Store, folder: Path, progress: Progress) -> None:
        self._store = store
        self._folder = folder
        self._progress = progress
        self._checks = CheckedBackend(store.backend, SPECS)
        self._lines = folder / "records.jsonl"
        self._file = StateFile(folder / "dump.json", DumpState)

    def begin(self, *, restart: bool) -> None:
        make_private_folder(self._folder)
        before = self._file.read()
        if before is None and any(self._folder.iterdir()):
            raise ConfigurationError(f"{self._folder} holds something else than a dump; choose an empty folder")
        if before is None or restart:
            self._clear()
            before = DumpState(id=uuid.uuid4().hex, places=self._store.places)
        elif before.is_complete:
            raise ConfigurationError(f"{self._folder} holds a complete dump; choose another folder, or start again with --restart")
        elif before.places != self._store.places:
            raise ConfigurationError(
                f"{self._folder} holds the beginning of a dump of another store ({'; '.join(before.places)}); "
                "choose another folder, or start again with --restart"
            )
        self._state = before
        self._report = TransferReport(
            self._state.records,
            blobs=self._state.blobs,
            documents=self._state.documents,
            unreadable=self._state.unreadable,
            unnamed=self._state.unnamed,
        )
        self._save()

    def _clear(self) -> None:
        """Remove what an earlier dump wrote."""
        for name in ("load.json", "blobs.jsonl", "execution_data.jsonl", "records.jsonl"):
            (self._folder / name).unlink(missing_ok=True)
        if (self._folder / "blobs").is_dir():
            shutil.rmtree(self._folder / "blobs")

    async def write_records(self) -> None:
        if self._state.is_scanned:
            return
        with _continued(self._lines, self._state.records_bytes) as lines:
            async for page in self._store.backend.scan(self._state.resume_token):
                records = [record for record in page.records if self._can_be_loaded(record)]
                await to_thread.run_sync(_write_lines, lines, map(line_of, records))
                for record in records:
                    self._report.note(record)
                for error in page.unreadable:
                    self._report.refuse(error)
                self._save(resume_token=page.resume_token, records_bytes=lines.tell())
                self._progress("records", sum(self._report.records.values()), None)
        self._save(is_scanned=True, resume_token=None)

    def _can_be_loaded(self, record: Record) -> bool:
        """Return whether every store takes *record*; else name it, so that nothing is dumped that no load accepts."""
        try:
            self._checks.applicable(record)
        except InvalidRequestError as error:
            place = "" if record.origin is None else f" (row {record.origin.row})"
            self._report.refuse(f"{record.key}{place}: no store takes it: {error}. Correct it, or delete the document")
            return False
        return True

    async def write_data(self) -> None:
        with _continued(self._folder / "execution_data.jsonl", self._state.data_bytes) as lines:
            for name, data in (await self._store.backend.data_stores()).items():
                if name in self._state.data_stores:
                    continue
                async for page in data.scan(self._state.data_token):
                    documents = [one for one in page.documents if await self._is_at_home(one, name)]
                    await to_thread.run_sync(_write_lines, lines, map(data_line_of, documents))
                    self._report.documents += len(documents)
                    for error in page.unreadable:
                        self._report.refuse(error)
                    self._save(data_token=page.resume_token, data_bytes=lines.tell())
                    self._progress("documents", self._report.documents, None)
                self._save(data_stores=[*self._state.data_stores, name], data_token=None)

    async def _is_at_home(self, document: DataDocument, store: str) -> bool:
        """Return whether the execution data of the document's scope lies in *store* now."""
        return (await self._store.backend.data_place(document.run.scope)).store == store

    async def write_blobs(self) -> TransferReport:
        files = BlobFiles(self._folder)
        done = files.begin(self._state.blobs_bytes)
        homes = BlobHomes(self._store, self._lines)
        for blobs in homes.stores:
            async for container, info in _listed(blobs):
                if (container, info.name) in done or blobs not in await homes.of(container, info.name, info.owner):
                    continue
                done.add((container, info.name))
                await self._write_blob(files, blobs, container, info)
                if self._report.blobs % _BLOBS_PER_STATE == 0:
                    self._save(blobs_bytes=files.size)
        self._save(blobs_bytes=files.size, is_complete=True)
        return self._report

    async def _write_blob(self, files: BlobFiles, blobs: BlobStore, container: str, info: BlobInfo) -> None:
        try:
            data = await blobs.get(container, info.name)
        except InvalidKeyError as error:
            self._report.refuse(f"{container}: {error}")
            return
        if data is not None:
            await to_thread.run_sync(files.write, container, info.name, info.content_type, data, info.owner)
            self._report.blobs += 1
            self._progress("blobs", self._report.blobs, None)

    def _save(self, **changes: object) -> None:
        report = self._report
        seen = asdict(report)
        del seen["written"]
        self._state = self._state.model_copy(update={**seen, **changes})
        self._file.write(self._state)


@contextmanager
def _continued(path: Path, size: int) -> Iterator[BinaryIO]:
    """Open a file of lines to go on after its first *size* bytes.

    Raises:
        ConfigurationError: It is shorter.
    """
    with open_private(path, "r+b" if size else "wb") as lines:
        if lines.seek(0, os.SEEK_END) < size:
            raise ConfigurationError(f"{path} is shorter than it was; start again with --restart")
        lines.truncate(size)
        lines.seek(size)
        yield lines


def _write_lines(lines: BinaryIO, written: Iterable[bytes]) -> None:
    lines.writelines(written)
    lines.flush()
    os.fsync(lines.fileno())


async def _listed(blobs: BlobStore) -> AsyncIterator[tuple[str, BlobInfo]]:
    for container in sorted(CONTAINERS):
        async for info in blobs.list(container):
            yield container, info
