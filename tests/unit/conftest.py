"""Fixtures of the unit tests."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published with the emulator; no secret."""


@dataclass(frozen=True)
class Azurite:
    """A running storage emulator."""

    connection_string: str


@pytest.fixture
def anyio_backend() -> str:
    """aiosqlite and the Azure SDKs run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """The emulator at BIFROST_TEST_AZURITE_BLOB, or one started with the command BIFROST_AZURITE; without both, skip."""
    if connection_string := os.environ.get("BIFROST_TEST_AZURITE_BLOB"):
        yield Azurite(connection_string)
        return
    command = os.environ.get("BIFROST_AZURITE")
    if not command:
        pytest.skip("set BIFROST_TEST_AZURITE_BLOB or BIFROST_AZURITE to test against Azurite")
    blob, queue, table = _free_ports(3)
    ports = ["--blobPort", str(blob), "--queuePort", str(queue), "--tablePort", str(table)]
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    process = subprocess.Popen([*shlex.split(command), *options, *ports], stdout=subprocess.DEVNULL)
    try:
        _wait_until_open(blob)
        endpoint = f"BlobEndpoint=http://127.0.0.1:{blob}/{_ACCOUNT}"
        yield Azurite(f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{endpoint};")
    finally:
        process.terminate()
        process.wait(10)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_until_open(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert time.monotonic() < deadline, "Azurite did not start within 30 s"
        time.sleep(0.1)
