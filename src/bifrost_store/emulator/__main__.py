"""``python -m bifrost_store.emulator``: the server without the rest of the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bifrost_store.emulator.cli import DEFAULT_PORT, serve
from bifrost_store.emulator.wire.auth import EMULATOR_KEY


def main() -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m bifrost_store.emulator",
        description="A local server that speaks Azure Cosmos DB for NoSQL, for development and tests. No database for production.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="the port to listen on; 0 takes a free one")
    parser.add_argument("--https", action="store_true", help="speak HTTPS with a certificate made on the fly")
    parser.add_argument("--certificate", type=Path, help="where to write the certificate that vouches for it, as PEM")
    parser.add_argument("--key", default=EMULATOR_KEY, help="the account's key, in base64")
    parser.add_argument("--data", type=Path, help="the file to keep everything in; in memory without one")
    parser.add_argument("--partitions", type=int, default=1, help="how many physical partitions a container has at least")
    parser.add_argument("--ru-limit", type=float, help="request units per second that a container serves")
    parser.add_argument("--lenient", action="store_true", help="answer at once what the service leaves to clients")
    parser.add_argument("--serverless", action="store_true", help="refuse throughput, as serverless accounts do")
    parser.add_argument("--consistency", default="Session", metavar="LEVEL", help="the account's default consistency")
    parser.add_argument("--public-endpoint", help="where clients reach the server, if not where they name it")
    return serve(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
