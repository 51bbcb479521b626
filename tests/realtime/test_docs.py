"""The guide to pages that show runs live: its server and its client, as they stand there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.signalr.serving import free_socket
from tests.signalr.stock import StockClients, find_client

pytestmark = pytest.mark.anyio
GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "watch-runs-live.md"
FILE = re.compile(r"```\w+ title=\"([\w.]+)\"\n(.*?)```", re.DOTALL)
PRINTED = re.compile(r"```text\n(.*?)```", re.DOTALL)


async def test_the_server_and_the_client_of_the_guide_print_what_the_page_says(stock: StockClients, tmp_path: Path) -> None:
    """A stranger who saves both files sees lines arrive."""
    text, found = GUIDE.read_text("utf-8"), find_client()
    assert found is not None
    node, packages = found
    with free_socket() as listening:
        port = int(listening.getsockname()[1])
    for name, content in FILE.findall(text):
        (tmp_path / name).write_text(content.replace("8000", str(port)), "utf-8")
    (tmp_path / "node_modules").symlink_to(packages if packages.name == "node_modules" else packages / "node_modules")
    env = {name: value for name, value in os.environ.items() if not name.startswith("BIFROST_STORE_")}
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(sys.executable, "watched.py", cwd=tmp_path, env=env, stderr=pipe)
    assert server.stderr is not None
    while b"running on" not in (line := await server.stderr.readline()):
        assert line, "the server ended"
    client = await asyncio.create_subprocess_exec(node, "page.js", cwd=tmp_path, stdout=pipe)
    assert client.stdout is not None
    try:
        (printed,) = PRINTED.findall(text)
        shown = [(await client.stdout.readline()).decode() for _ in printed.splitlines()]
        assert printed == "".join(shown)
    finally:
        client.kill()
        await client.communicate()
        server.terminate()
        await server.communicate()
