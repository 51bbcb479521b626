"""``bifrost-store``, and ``python -m bifrost_store.cli``."""

from __future__ import annotations

import os
import sys

from bifrost_store.cli.interrupts import EXIT, Interrupted


def main() -> None:
    """Run the command line; exits 0 when fine, 1 when it failed, 2 on wrong use, 130 when it was interrupted."""
    try:
        _run()
    except KeyboardInterrupt:
        _end(Interrupted())
    except Interrupted as interrupted:
        _end(interrupted)
    finally:
        _ignore()  # what is left is Python's own end


def _run() -> None:
    try:
        from bifrost_store.cli.app import run  # only here can its absence be told
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("typer", "rich", "click"):
            raise
        sys.exit(f"error: {package} is not installed; pip install 'bifrost-store[cli]'")
    try:
        run()
    except SystemExit as ended:
        if ended.code == EXIT:  # typer's own, while it read the command line
            raise KeyboardInterrupt from None
        raise


def _ignore() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(interrupted: Interrupted) -> None:
    _ignore()
    interrupted.tell()
    # Not Python's own end: that is another code where the signal met an import, and threads may still have something to say.
    os._exit(EXIT)


if __name__ == "__main__":
    main()
