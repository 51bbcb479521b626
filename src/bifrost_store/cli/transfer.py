"""``dump`` and ``load``: every record, from any backend to any backend."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bifrost_store.cli.output import JsonOption, report, run
from bifrost_store.cli.progress import counting, counting_all

if TYPE_CHECKING:
    from bifrost_store.transfer.report import TransferReport

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the dump; new, or of an earlier run.", file_okay=False)]
Dump = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a complete dump.", exists=True, file_okay=False)]
Restart = Annotated[bool, typer.Option("--restart", help="Start again instead of going on where the last run stopped.")]


def dump(folder: Folder, *, restart: Restart = False, as_json: JsonOption = False) -> None:
    """Write every record, tombstone and blob below DIR. An interrupted dump goes on where it stopped."""
    from bifrost_store.opening.store import open_store
    from bifrost_store.transfer.records import dump_records

    async def transfer() -> TransferReport:
        async with open_store() as store, counting_all(store) as progress:
            return await dump_records(store, folder, restart=restart, progress=progress)

    _show(run(transfer), as_json=as_json, lines=[])


def load(folder: Dump, *, restart: Restart = False, as_json: JsonOption = False) -> None:
    """Apply every record of a dump, and store its blobs. What is there as new or newer stays."""
    from bifrost_store.opening.store import open_store
    from bifrost_store.transfer.records import load_records

    async def transfer() -> TransferReport:
        async with open_store() as store:
            with counting() as progress:
                return await load_records(store, folder, restart=restart, progress=progress)

    done = run(transfer)
    _show(done, as_json=as_json, lines=[_written(done)])


def _written(done: TransferReport) -> str:
    others = sum(done.records.values()) - done.written
    return f"written: {done.written}" + (f" ({others} were there already)" if others > 0 else "")


def _show(done: TransferReport, *, as_json: bool, lines: list[str]) -> None:
    lines = [*([f"{kind}: {count}" for kind, count in sorted(done.records.items())] or ["no records"]), *lines]
    lines.append(f"blobs: {done.blobs}")
    if done.documents:
        lines.append(f"execution data: {done.documents}")
    lines += [f"unreadable: {line}" for line in done.unreadable]
    if done.unnamed:
        lines.append(f"unreadable: {done.unnamed} more")
    report({"ok": done.is_complete, **asdict(done)}, as_json=as_json, lines=lines)
    if not done.is_complete:
        raise typer.Exit(1)
