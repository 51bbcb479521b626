"""Dump and load at the waist: every record and tombstone as JSON lines, every blob as a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bifrost_store.blobs.protocol import CONTAINERS, BlobStore
from bifrost_store.core.json import check_json, dump_json
from bifrost_store.core.record import Key, Record, dump_expiry, load_expiry
from bifrost_store.core.scope import Scope
from bifrost_store.core.version import Version
from bifrost_store.errors import ConfigurationError, CorruptDocumentError, InvalidRequestError
from bifrost_store.store import Store
from bifrost_store.transfer.blobs import BlobFiles

FORMAT = "bifrost-store-dump"
FORMAT_VERSION = 1
_LOAD_BATCH = 100

Progress = Callable[[str, int], None]
"""Called with what is counted (``records``, ``blobs``) and how many more there are."""


@dataclass(slots=True)
class TransferReport:
    """What was carried.

    Attributes:
        records: Per kind; tombstones count under ``tombstone``.
        written: Records that `load` wrote; the others were there already, as new or newer.
        blobs: Blobs carried.
        unreadable: One line for each row, line or blob that could not be carried.
    """

    records: dict[str, int] = field(default_factory=dict)
    written: int = 0
    blobs: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether everything was carried."""
        return not self.unreadable

    def note(self, record: Record) -> None:
        """Count a record."""
        kind = "tombstone" if record.is_tombstone else record.key.kind
        self.records[kind] = self.records.get(kind, 0) + 1


@dataclass(frozen=True, slots=True)
class _State:
    """How far a dump or load has come; saved after each batch, so that it goes on where it stopped."""

    path: Path

    def make_folder(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise ConfigurationError(f"{self.path} cannot be read; delete it to start again") from None
        if state.get("format") != FORMAT or state.get("version") != FORMAT_VERSION:
            raise ConfigurationError(f"{self.path} is of another format or version; this one knows {FORMAT} {FORMAT_VERSION}")
        return state

    def write(self, **values: Any) -> None:
        text = json.dumps({"format": FORMAT, "version": FORMAT_VERSION, **values})
        temporary = self.path.with_suffix(".part")
        temporary.write_text(text, "utf-8")
        temporary.replace(self.path)


async def dump_records(
    store: Store, folder: Path, *, restart: bool = False, progress: Progress = lambda what, count: None
) -> TransferReport:
    """Write every record, tombstone and blob of *store* below *folder*; an interrupted dump goes on where it stopped.

    Records go to ``records.jsonl``, one a line; blobs to ``blobs/``, listed in ``blobs.jsonl``; ``dump.json`` says how far it is.

    Raises:
        ConfigurationError: *folder* holds a complete dump already (*restart* overwrites it), or something else.
    """
    state = _State(folder / "dump.json")
    state.make_folder()
    before = {} if restart else state.read()
    if before.get("is_complete"):
        raise ConfigurationError(f"{folder} holds a complete dump; choose another folder, or start again with --restart")
    report = TransferReport(dict(before.get("records", {})), unreadable=list(before.get("unreadable", [])))
    size = int(before.get("size", 0))
    with (folder / "records.jsonl").open("r+b" if before else "wb") as lines:
        lines.truncate(size)
        lines.seek(size)
        async for page in store.backend.scan(before.get("resume_token")):
            for record in page.records:
                lines.write((dump_json(_line(record)) + "\n").encode("ascii"))
                report.note(record)
            report.unreadable += [str(error) for error in page.unreadable]
            lines.flush()
            state.write(resume_token=page.resume_token, size=lines.tell(), records=report.records, unreadable=report.unreadable)
            progress("records", len(page.records))
        size = lines.tell()
    files = BlobFiles(folder)
    files.begin()
    for blobs in _blob_stores(store):
        for container in CONTAINERS:
            async for info in blobs.list(container):
                data = await blobs.get(container, info.name)
                if data is not None:
                    files.write(container, info.name, info.content_type, data)
                    report.blobs += 1
                    progress("blobs", 1)
    state.write(
        size=size, records=report.records, unreadable=report.unreadable, blobs=report.blobs, is_complete=True, resume_token=None
    )
    return report


async def load_records(
    store: Store, folder: Path, *, restart: bool = False, progress: Progress = lambda what, count: None
) -> TransferReport:
    """Apply every record of a complete dump to *store*, and store its blobs; what is there as new or newer stays.

    An interrupted load goes on where it stopped; running it again from the beginning (*restart*) changes nothing that is
    already there.

    Raises:
        ConfigurationError: *folder* holds no complete dump of this format.
    """
    dump = _State(folder / "dump.json").read()
    if not dump.get("is_complete"):
        raise ConfigurationError(f"{folder} holds no complete dump; finish it with `bifrost-store dump {folder}`")
    lines = folder / "records.jsonl"
    if lines.stat().st_size != dump["size"]:
        raise ConfigurationError(f"{lines} has {lines.stat().st_size} bytes, the dump wrote {dump['size']}; dump again")
    await store.provision()
    state = _State(folder / "load.json")
    before = {} if restart else state.read()
    report = TransferReport()
    done = int(before.get("position", 0)) if not before.get("is_complete") else 0
    for number, (position, line) in enumerate(_lines(lines, done), start=1):
        await _load_line(store, line, position, report)
        progress("records", 1)
        if number % _LOAD_BATCH == 0:
            state.write(position=position + len(line))
    for container, name, content_type, data in BlobFiles(folder).read():
        for blobs in _blob_stores(store):
            await blobs.put(container, name, data, content_type=content_type)
        report.blobs += 1
        progress("blobs", 1)
    state.write(is_complete=True)
    return report


def _blob_stores(store: Store) -> list[BlobStore]:
    return [store.backend.blobs(backend.name) for backend in store.backend.all_backends()]


async def _load_line(store: Store, line: bytes, position: int, report: TransferReport) -> None:
    try:
        record = _record(line)
        report.written += await store.backend.apply(record)
        report.note(record)
    except (InvalidRequestError, CorruptDocumentError) as error:
        report.unreadable.append(f"records.jsonl at byte {position}: {error}")


def _lines(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as lines:
        lines.seek(start)
        position = start
        for line in lines:
            yield position, line
            position += len(line)


def _line(record: Record) -> dict[str, Any]:
    version = record.version
    return {
        "kind": record.key.kind,
        "scope": record.key.scope.value,
        "id": record.key.id,
        "sortKey": record.sort_key,
        "epoch": version.epoch,
        "revision": version.revision,
        "writeId": version.write_id,
        "expiresAt": dump_expiry(record.expires_at),
        "isTombstone": record.is_tombstone,
        "body": record.body,
        "extra": record.extra,
    }


def _record(line: bytes) -> Record:
    try:
        values = json.loads(line)
        check_json(values, "line")
        return Record(
            Key(values["kind"], Scope(values["scope"]), values["id"]),
            values["body"],
            values["sortKey"],
            Version(values["revision"], values["writeId"], values["epoch"]),
            load_expiry(values["expiresAt"]),
            values["extra"],
            values["isTombstone"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptDocumentError(f"not a dumped record ({type(error).__name__}); dump again") from None
