"""The pages about SignalR: a reader who follows the guide succeeds, and the reference lists what there is."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import re
import sys
from pathlib import Path

import aiohttp
import pytest

from bifrost_store.signalr import AzureSignalR, Reason, UnavailableError, errors, limits
from tests.signalr.serving import free_socket
from tests.signalr.stock import StockClients, find_client

pytestmark = pytest.mark.anyio
DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"```\w+ title=\"([\w.]+)\"\n(.*?)```", re.DOTALL)


def files(folder: Path, port: int) -> None:
    """Save the files of the guide, which name two ports."""
    for name, content in FILE.findall((DOCS / "howto" / "signalr-hub.md").read_text("utf-8")):
        (folder / name).write_text(re.sub("800[01]", str(port), content), "utf-8")


def free_port() -> int:
    with free_socket() as listening:
        return int(listening.getsockname()[1])


async def started(program: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    while b"running on" not in (line := await process.stderr.readline()):
        assert line, "the program ended"
    return process


async def test_the_application_of_the_guide_and_its_client_print_what_the_page_says(stock: StockClients, tmp_path: Path) -> None:
    """The FastAPI example as it stands, with the JavaScript below it as it stands, in Node."""
    port = free_port()
    files(tmp_path, port)
    found = find_client()
    assert found is not None
    node, packages = found
    (tmp_path / "node_modules").symlink_to(packages if packages.name == "node_modules" else packages / "node_modules")
    server = await started(tmp_path / "live.py")
    client = await asyncio.create_subprocess_exec(node, "client.js", cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
    assert client.stdout is not None
    try:
        assert b"connected: 1\n" == await client.stdout.readline()
        async with aiohttp.ClientSession() as session, session.post(f"http://localhost:{port}/rooms/public-1?text=hello") as answer:
            assert answer.status == 200
        assert b"hello\n" == await client.stdout.readline()
    finally:
        client.kill()
        await client.communicate()
        server.terminate()
        await server.communicate()


async def test_the_bare_hub_of_the_guide_greets_and_ticks(stock: StockClients, tmp_path: Path) -> None:
    """The example without a framework, with the stock client."""
    port = free_port()
    files(tmp_path, port)
    server = await started(tmp_path / "clock.py")
    try:
        await stock.start("a", f"http://localhost:{port}", targets=["said", "tick"])
        await stock.until(lambda: {"said", "tick"} <= {target for target, _ in stock.messages("a")})
    finally:
        await stock.order("stop", name="a")
        server.terminate()
        await server.communicate()


async def test_the_local_service_prints_what_a_sender_takes() -> None:
    """`python -m bifrost_store.signalr`, as the guide names it."""
    command = [sys.executable, "-m", "bifrost_store.signalr", "--port", str(free_port())]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        text = (await process.stdout.readline()).decode().strip()
        async with AzureSignalR(text) as sender:
            while True:
                with contextlib.suppress(UnavailableError):
                    await sender.send_to_all("said", "hello")
                    break
    finally:
        process.terminate()
        await process.communicate()


def limit_rows() -> list[str]:
    (found,) = [one for one in ast.parse(inspect.getsource(limits)).body if isinstance(one, ast.ClassDef)]
    rows = []
    for field, text in zip(found.body, found.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            name, docstring = ast.unparse(field.target), ast.literal_eval(text.value)
            rows.append(f"| `{name}` | {getattr(limits.Limits(), name):,} | {' '.join(docstring.split())} |")
    return rows


def error_rows() -> list[str]:
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.SignalRError)]
    return [
        f"| `{one.__name__}` | {'yes' if one.is_retryable else 'no'} | {' '.join(str(one.__doc__).split())} |"
        for one in found
        if one is not errors.SignalRError
    ]


@pytest.mark.parametrize("row", [*limit_rows(), *error_rows(), *[f"| `{reason}` |" for reason in Reason]])
def test_the_reference_lists_what_there_is(row: str) -> None:
    """Every limit with its default, every error, every reason to refuse."""
    assert row in (DOCS / "reference" / "signalr.md").read_text("utf-8")
