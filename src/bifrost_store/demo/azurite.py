"""Azurite, Microsoft's emulator of Azure Storage, brought up for as long as it is needed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shlex
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen

import anyio

from bifrost_store.errors import ConfigurationError

COMMAND_VARIABLE = "BIFROST_AZURITE"
"""Environment variable with the command that starts Azurite, where it is not on the path."""

_ACCOUNT = "devstoreaccount1"
# The emulator's own published key, the same on every machine.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_START_SECONDS = 30.0
_TRIES = 3
_SET_PARENT_DEATH_SIGNAL = 1


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running emulator.

    Attributes:
        accounts: Names of its accounts, which share nothing but their key.
        table_port, blob_port: On 127.0.0.1.
        process: What runs it.
    """

    accounts: tuple[str, ...]
    table_port: int
    blob_port: int
    process: Popen[bytes] = field(repr=False, compare=False)

    @property
    def connection_string(self) -> str:
        """That of the first account, for tables and blobs alike."""
        return self.connection_string_of(self.accounts[0])

    def connection_string_of(self, account: str) -> str:
        """Return what opens one of the accounts."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{self.blob_port}/{account};TableEndpoint=http://127.0.0.1:{self.table_port}/{account};"
        )

    @property
    def has_ended(self) -> bool:
        """Whether it has stopped by itself or was killed."""
        return self.process.poll() is not None


def find_command() -> list[str] | None:
    """Return the command that starts Azurite: from ``BIFROST_AZURITE``, else from the path, else None."""
    configured = os.environ.get(COMMAND_VARIABLE)
    if configured:
        return shlex.split(configured)
    found = shutil.which("azurite")
    return None if found is None else [found]


@contextlib.asynccontextmanager
async def run_azurite(command: list[str] | None = None, *, accounts: Sequence[str] = (_ACCOUNT,)) -> AsyncGenerator[Azurite, None]:
    """Start Azurite in memory on free ports and stop it at the end of the block, or with this process.

    Args:
        command: By default what `find_command` finds.
        accounts: Names of the accounts that it has.

    Raises:
        ConfigurationError: There is no Azurite, or it does not come up; the message holds what it said last.
    """
    command = command or find_command()
    if command is None:
        raise ConfigurationError(f"Azurite is not installed; `npm install -g azurite`, or set {COMMAND_VARIABLE} to its command")
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        for attempt in range(_TRIES):
            log = Path(folder) / f"azurite-{attempt}.log"
            azurite = _start(command, tuple(accounts), log)
            try:
                if await _listens(azurite, log):
                    yield azurite
                    return
            finally:
                _stop(azurite.process)
        said = (Path(folder) / f"azurite-{_TRIES - 1}.log").read_text("utf-8", "replace").strip()[-500:]
        raise ConfigurationError(f"Azurite does not come up ({shlex.join(command)}): {said or 'it said nothing'}")


def _start(command: list[str], accounts: tuple[str, ...], log: Path) -> Azurite:
    blob, queue, table = _free_ports(3)
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    ports = [f"--blobPort={blob}", f"--queuePort={queue}", f"--tablePort={table}"]
    with log.open("wb") as output:
        try:
            process = Popen(  # noqa: S603 - the operator's own command
                [*command, *options, *ports],
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                cwd=log.parent,
                env={**os.environ, "AZURITE_ACCOUNTS": ";".join(f"{account}:{_KEY}" for account in accounts)},
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one call, no allocation
            )
        except OSError as error:
            raise ConfigurationError(f"Azurite cannot be started ({shlex.join(command)}): {error.strerror}") from error
    return Azurite(accounts, table, blob, process)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


async def _listens(azurite: Azurite, log: Path) -> bool:
    """Wait until Azurite says that it listens on both ports; return False if it ends or takes too long.

    A connection would prove less: another process may have taken the port since it was found free.
    """
    with anyio.move_on_after(_START_SECONDS):
        while not azurite.has_ended:
            if {azurite.table_port, azurite.blob_port} <= _ports_in(log):
                return True
            await anyio.sleep(0.05)
    return False


def _ports_in(log: Path) -> set[int]:
    said = log.read_text("utf-8", "replace")
    return {int(port) for port in re.findall(r"successfully .*:(\d+)\s*$", said, re.MULTILINE)}


def _stop(process: Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
