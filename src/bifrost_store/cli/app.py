"""The application: what all commands share, and the list of them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bifrost_store.cli import demo, store, tables, transfer
from bifrost_store.cli.output import show_error
from bifrost_store.errors import ConfigurationError, StoreError

app = typer.Typer(
    name="bifrost-store",
    help="Tools for a bifrost store. Settings come from the environment, see the documentation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(store.init)
app.command()(store.ping)
app.command()(store.repair)
app.command()(store.purge)
app.command()(transfer.dump)
app.command()(transfer.load)
app.command()(demo.demo)
app.add_typer(tables.app, name="tables")

_is_verbose = False


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the chain of causes of an error.")] = False,
) -> None:
    """Tools for a bifrost store. Settings come from the environment, see the documentation."""
    global _is_verbose  # noqa: PLW0603 - one process, one command
    _is_verbose = verbose


def run() -> None:
    """Run one command and exit: 0 fine, 1 failed, 2 wrong use or wrong settings."""
    try:
        app()
    except (StoreError, OSError) as error:
        show_error(error, is_verbose=_is_verbose)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
