"""`serve`: the server as a program, until it is told to stop."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from bifrost_store.emulator.engine import Options
from bifrost_store.emulator.server import CosmosEmulator
from bifrost_store.emulator.sql.parser import parse
from bifrost_store.emulator.store.database import DataFileError
from bifrost_store.emulator.wire.auth import EMULATOR_KEY

DEFAULT_PORT: Final = 8081


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    https: bool = False,
    certificate: Path | None = None,
    key: str = EMULATOR_KEY,
    data: Path | None = None,
    partitions: int = 1,
    ru_limit: float | None = None,
    lenient: bool = False,
    serverless: bool = False,
    consistency: str = "Session",
    public_endpoint: str | None = None,
) -> int:
    """Serve until the process is told to stop by SIGINT or SIGTERM; return its exit code.

    When clients may connect, one line of JSON goes to standard output: ``endpoint``, ``key`` and ``connection_string``.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        https: Speak HTTPS with a certificate made on the fly.
        certificate: Where to write the certificate that vouches for it, as PEM.
        key: The account's key, in base64.
        data: The file to keep everything in; in memory without one.
        partitions: How many physical partitions a container has at least.
        ru_limit: Request units per second that a container serves.
        lenient: Answer at once what the service leaves to clients, and sort without indexes.
        serverless: Refuse throughput, as serverless accounts do.
        consistency: The account's default consistency level.
        public_endpoint: Where clients reach the server, if not at the address they name in their requests.
    """
    try:
        options = Options(
            partitions=partitions, ru_limit=ru_limit, is_lenient=lenient, is_serverless=serverless, consistency=consistency
        )
        emulator = CosmosEmulator(
            host=host, port=port, https=https, key=key, data=data, options=options, public_endpoint=public_endpoint
        ).start()
    except ValueError as error:
        return _failed(f"{error}")
    except DataFileError as error:
        return _failed(f"{error}")
    except OSError as error:
        return _failed(f"cannot listen on {host}:{port}: {error.strerror or error}")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    if certificate is not None and emulator.ca_certificate is not None:
        certificate.write_text(emulator.ca_certificate)
    ready = {"endpoint": emulator.endpoint, "key": emulator.key, "connection_string": emulator.connection_string}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    # The parser takes a while to build, and nobody else needs this thread.
    parse("SELECT * FROM c")
    stopped.wait()
    emulator.stop()
    return 0


def _failed(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 1
