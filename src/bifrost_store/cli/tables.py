"""``tables load`` and ``tables dump``: the raw rows and blobs of today's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bifrost_store.cli.output import JsonOption, report, run
from bifrost_store.cli.progress import counting

app = typer.Typer(
    help="Raw rows and blobs of the Table Storage account, in the form of the platform's data sets.", no_args_is_help=True
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder with tables/, blobs/ and blobs.jsonl.", exists=True, file_okay=False)
]
NewFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Empty or new folder.", file_okay=False)]


@app.command()
def load(folder: Folder, *, as_json: JsonOption = False) -> None:
    """Put the rows and blobs below DIR into the account, over those of the same names."""
    from bifrost_store.settings import StoreSettings
    from bifrost_store.transfer.rows import load_rows

    async def transfer() -> dict[str, int]:
        with counting() as progress:
            return await load_rows(StoreSettings.from_environment(), folder, progress=progress)

    _show(run(transfer), as_json=as_json)


@app.command()
def dump(folder: NewFolder, *, as_json: JsonOption = False) -> None:
    """Write every row and blob of the account below DIR."""
    from bifrost_store.settings import StoreSettings
    from bifrost_store.transfer.rows import dump_rows

    async def transfer() -> dict[str, int]:
        with counting() as progress:
            return await dump_rows(StoreSettings.from_environment(), folder, progress=progress)

    _show(run(transfer), as_json=as_json)


def _show(counts: dict[str, int], *, as_json: bool) -> None:
    lines = [f"{what}: {count}" for what, count in counts.items()]
    report({"ok": True, "counts": counts}, as_json=as_json, lines=lines)
