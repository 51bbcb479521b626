"""The project's Cosmos DB emulator in a process of its own, so that its work is not the library's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bifrost_store.emulator import CosmosEmulator, Options

_OPTIONS = Options(consistency="Strong", is_serverless=True)
"""What the library asks of an account."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running emulator.

    Attributes:
        endpoint, key: What the SDK's client takes.
        connection_string: Both.
    """

    endpoint: str
    key: str
    connection_string: str


@contextmanager
def run_emulator(data: Path | None = None) -> Iterator[Server]:
    """Start an emulator on a free port, empty or with the file *data*, and end it with the block, or with this process."""
    command = [sys.executable, "-m", __name__, *([] if data is None else [str(data)])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the emulator did not start; it says why above")
        try:
            yield Server(**json.loads(line))
        finally:
            process.terminate()


def main() -> None:
    """Say on standard output where the server is, and serve until standard input ends: when whoever started it does."""
    with CosmosEmulator(options=_OPTIONS, data=Path(sys.argv[1]) if sys.argv[1:] else None) as emulator:
        server = {name: getattr(emulator, name) for name in Server.__dataclass_fields__}
        print(json.dumps(server), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
