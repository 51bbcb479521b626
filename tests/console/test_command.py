"""`bifrost-store console` as a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

COMMAND = [sys.executable, "-m", "bifrost_store.cli", "console", "--no-open"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "BIFROST_STORE_SQLITE_PATH": str(folder / "console.db"), **more}


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [*COMMAND, "--port", "0", *options]
    with subprocess.Popen(command, env=environment(folder), stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_it_prints_an_address_that_lets_in(tmp_path: Path) -> None:
    """The address leads to the page, its token opens a session, and Ctrl-C ends both."""
    with running(tmp_path) as (process, address):
        plain, _, token = address.partition("#token=")
        with httpx.Client(base_url=plain) as client:
            assert "text/html" in client.get("/").headers["content-type"]
            assert 401 == client.get("/api/me").status_code
            entered = client.post("/api/session", json={"token": token}, headers={"origin": plain.rstrip("/")})
            assert 204 == entered.status_code
            assert client.get("/api/me").json()["isAdmin"]
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert 130 == process.returncode
        assert "the console has ended" in told


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """It ends with 2 and names the option that helps."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*COMMAND, "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=False)

    assert 2 == done.returncode
    assert "name another by --port" in done.stderr


def test_a_proxy_needs_its_secret(tmp_path: Path) -> None:
    """Headers are not believed by accident: without a secret, or with a short one, the command refuses to start."""
    for settings in ({}, {"BIFROST_STORE_CONSOLE_PROXY_SECRET": "short"}):
        command = [*COMMAND, "--trust-proxy"]
        done = subprocess.run(command, env=environment(tmp_path, **settings), capture_output=True, text=True, check=False)
        assert 2 == done.returncode
        assert "BIFROST_STORE_CONSOLE_PROXY_SECRET" in done.stderr
        assert "short" not in done.stderr.replace("shorter", "").replace("shortest", "")
