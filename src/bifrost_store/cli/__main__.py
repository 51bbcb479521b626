"""``bifrost-store``, and ``python -m bifrost_store.cli``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exits 0 when fine, 1 when it failed, 2 on wrong use."""
    try:
        from bifrost_store.cli.app import run  # noqa: PLC0415 - only here can its absence be told
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("typer", "rich", "click"):
            raise
        sys.exit(f"error: {package} is not installed; pip install 'bifrost-store[cli]'")
    run()


if __name__ == "__main__":
    main()
