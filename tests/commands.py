"""The command line in processes of its own that begin with everything imported, not with the second that imports take."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Final

from bifrost_store.cli.__main__ import main

Finished = CompletedProcess[str]
Settings = dict[str, str]

LONGEST_SECONDS: Final = 300
"""After which a command hangs. Far more than any takes on a busy machine: it is no measure of speed."""
_PRELOADED: Final = (
    *(f"bifrost_store.backends.{name}.backend" for name in ("sqlite", "table", "cosmos")),
    "bifrost_store.blobs.azure",
    *(f"bifrost_store.cli.{name}" for name in ("app", "output", "migrate_output", "progress")),
    *(f"bifrost_store.migration.{name}" for name in ("opening", "status")),
    *(f"bifrost_store.transfer.{name}" for name in ("dumping", "loading", "rows")),
    "bifrost_store.demo.journey",
    "bifrost_store.emulator",
    "bifrost_store.probe",
    "bifrost_store.store",
)


def processes() -> ForkServerContext:
    """Return what starts processes from one that has everything imported."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([__name__, "tests.faults.worker", *_PRELOADED])
    return found


def environment(settings: Settings) -> Settings:
    """The environment of this process, without any setting of a store but those given."""
    names = ("BIFROST_STORE_", "AzureWebJobsStorage", "CosmosDBConnection")
    return {name: value for name, value in os.environ.items() if not name.startswith(names)} | settings


def run(*arguments: str | Path, settings: Settings) -> Finished:
    """Run one command to its end."""
    with TemporaryDirectory(prefix="bifrost-command-") as folder:
        said, complained = Path(folder) / "out", Path(folder) / "err"
        process = start(*arguments, settings=settings, said=said, complained=complained)
        process.join(LONGEST_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError(f"{arguments} did not end; it said {said.read_text()} {complained.read_text()}")
        return CompletedProcess([*map(str, arguments)], process.exitcode, said.read_text(), complained.read_text())


def start(*arguments: str | Path, settings: Settings, said: Path, complained: Path) -> ForkServerProcess:
    """Start one command, which writes to the files *said* and *complained*."""
    given = ([*map(str, arguments)], environment(settings), said, complained, str(Path.cwd()))
    process = processes().Process(target=_be_command, args=given, daemon=True)
    process.start()
    return process


def _be_command(arguments: list[str], variables: Settings, said: Path, complained: Path, folder: str) -> None:
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv = ["bifrost-store", *arguments]
    for number, path in ((1, said), (2, complained)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    main()
