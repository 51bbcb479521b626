"""Run the tests of a client that others wrote, `@azure/cosmos` for JavaScript, against the emulator; `nox -s second-client` does.

    python tools/second_client.py MODULES NODE [ARGUMENT …]

MODULES is the folder whose `node_modules` holds the client, NODE the command that runs Node.
"""

# ruff: noqa: S603 - it runs Node.

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bifrost_store.emulator import CosmosEmulator, Options

TESTS = Path(__file__).parents[1] / "tests" / "second_client"
PARTITIONS = 3


def main(modules: str, node: str, *arguments: str) -> int:
    """Start a server, run the tests, and return their exit code."""
    with CosmosEmulator(options=Options(partitions=PARTITIONS)) as emulator:
        environment = {
            **os.environ,
            "COSMOS_ENDPOINT": emulator.endpoint,
            "COSMOS_KEY": emulator.key,
            "SECOND_CLIENT_MODULES": str(Path(modules).resolve() / "node_modules" / "none.js"),
        }
        files = sorted(map(str, TESTS.glob("*.test.mjs")))
        return subprocess.run([node, "--test", "--test-concurrency=1", *arguments, *files], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
