"""``sample-data``: a small platform in the store that the settings name, to look around in."""

from __future__ import annotations

from typing import Annotated

import typer

from bifrost_store.cli.output import JsonOption, report, run
from bifrost_store.cli.progress import counting


def sample_data(
    *,
    runs: Annotated[
        int, typer.Option("--runs", metavar="N", min=0, max=100_000, help="How many runs of the last seven days.")
    ] = 200,
    add: Annotated[bool, typer.Option("--add", help="Go on although the store holds something: what is there stays.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fill an empty store with organizations, people, configuration, forms and runs, to look around in. For no store in use."""
    from bifrost_store.demo.sample import fill_with_samples
    from bifrost_store.settings import StoreSettings

    async def fill() -> dict[str, int]:
        with counting() as progress:
            return await fill_with_samples(StoreSettings.from_environment(), runs=runs, add=add, progress=progress)

    counts = run(fill)
    report({"ok": True, **counts}, as_json=as_json, lines=[f"{what}: {count}" for what, count in counts.items()])
