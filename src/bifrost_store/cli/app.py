"""The application: what all commands share, and the list of them."""

from __future__ import annotations

import functools
import inspect
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from bifrost_store.cli import (
    console,
    cost,
    demo,
    doctor,
    emulator,
    execution_logs,
    feed,
    metrics,
    migrate,
    sample_data,
    store,
    tables,
    transfer,
    usage,
)
from bifrost_store.cli.interrupts import Interrupted
from bifrost_store.cli.logs import show_logs
from bifrost_store.cli.output import VerboseOption, begin, report_error, unexpected
from bifrost_store.cli.wrong_use import Commands
from bifrost_store.errors import ConfigurationError, StoreError

_HELP = (
    "Tools for a bifrost store. Where the data is, the environment says: BIFROST_STORE_BACKEND (sqlite by default, table, cosmos) "
    "and more, listed in docs/reference/settings.md."
)
app = typer.Typer(
    name="bifrost-store",
    help=_HELP,
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(store.init)
app.command()(store.ping)
app.command()(doctor.doctor)
app.command()(store.repair)
app.command()(store.purge)
app.command()(transfer.dump)
app.command()(transfer.load)
app.command()(execution_logs.logs)
app.command()(usage.usage)
app.command()(cost.cost)
app.command()(demo.demo)
app.command()(sample_data.sample_data)
app.command()(console.console)
app.command()(emulator.cosmos_emulator)
app.add_typer(tables.app, name="tables")
app.add_typer(migrate.app, name="migrate")
app.add_typer(feed.app, name="feed")
app.add_typer(metrics.app, name="metrics")


def _show_version(value: bool) -> None:
    if value:
        print(f"bifrost-store {version_of('bifrost-store')}, Python {platform.python_version()}")  # noqa: T201 - data goes to stdout
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the versions of bifrost-store and Python.", callback=_show_version, is_eager=True)
]


@app.callback()
def options(*, verbose: VerboseOption = False, version: VersionOption = False) -> None:
    """Take the options that stand before the command, and forget those of an earlier command of this process."""
    begin(is_verbose=verbose)


def _made_common(command: Callable[..., None], name: str) -> Callable[..., None]:
    """Return *command* as all are: with the option ``--verbose``, which may stand behind it too, and with an end for Ctrl-C."""

    @functools.wraps(command)
    def wrapped(*, verbose: bool, **options: object) -> None:
        try:
            command(**options)
        except KeyboardInterrupt:
            raise Interrupted(name) from None

    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=VerboseOption)
    wrapped.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]  # what typer reads
    return wrapped


for _group, _prefix in (
    (app, ""),
    (tables.app, "tables "),
    (migrate.app, "migrate "),
    (feed.app, "feed "),
    (metrics.app, "metrics "),
):
    for _command in _group.registered_commands:
        if _command.callback is not None:
            _name = _command.name or _command.callback.__name__.replace("_", "-")
            _command.callback = _made_common(_command.callback, _prefix + _name)


def run() -> None:
    """Run one command and exit: 0 fine, 1 failed, 2 wrong use or wrong settings."""
    show_logs()
    try:
        app()
    except (StoreError, OSError) as error:
        report_error(error)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
    except Exception as error:  # noqa: BLE001 - whatever it is: no command ends without saying so
        report_error(unexpected(error))
        sys.exit(1)
