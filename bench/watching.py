"""`python -m bench.watching`: how soon a browser's SignalR client has a line after the store has it, and after it was meant."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import uvicorn

from bench.emulator import run_emulator
from bench.quiet import MOST_OF_OTHERS, Others
from bench.watched import RUNS, application, runs, write
from bifrost_store import StoreSettings, open_store
from bifrost_store.signalr import Server

_BUSY, _SLOW = 200.0, 1.0
"""Lines a second of the first run, and of each other."""
_MOST: Final = {"acknowledged": {0.95: 0.100, 0.99: 0.250}, "meant": {0.95: 0.150}}
"""Seconds until so many lines of a hundred are with the client."""
_TRIES: Final = 3
ROOT: Final = Path(__file__).parents[1]


def main(arguments: Sequence[str]) -> int:
    """Measure, print the figures, and return 1 if a promise is not kept."""
    if arguments[:1] == ["serve"]:
        return anyio.run(_serve, arguments[1], arguments[2])
    if arguments[:1] == ["write"]:
        return anyio.run(_write, arguments[1])
    parser = argparse.ArgumentParser(prog="bench.watching", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long each way is measured; 600 by default")
    parser.add_argument("--anyway", action="store_true", help="also on a machine that others use; such figures say little")
    options = parser.parse_args(arguments)
    return anyio.run(_measure_all, options.seconds, float("inf") if options.anyway else MOST_OF_OTHERS)


async def _measure_all(seconds: float, most_of_others: float) -> int:
    is_kept = True
    with TemporaryDirectory(prefix="bifrost-store-bench-") as folder, run_emulator() as server:
        for store, environment in stores(folder, server.connection_string).items():
            for processes in (1, 2):
                is_kept = await _tried(store, environment, processes, seconds, most_of_others) and is_kept
    return 0 if is_kept else 1


async def _tried(store: str, environment: Mapping[str, str], processes: int, seconds: float, most_of_others: float) -> bool:
    what = f"{store}, {'one process' if processes == 1 else 'two processes, by the feed alone'}"

    async def run() -> Callable[[], bool]:
        return partial(_report, what, *(await _run(environment, processes, seconds)))

    return await tried(what, run, most_of_others)


async def tried(what: str, run: Callable[[], Awaitable[Callable[[], bool]]], most_of_others: float) -> bool:
    """Run until nobody else used the machine meanwhile, and return what the run's report returns; three void runs say nothing."""
    for _ in range(_TRIES):
        others = Others()
        report = await run()
        if (share := others.share()) <= most_of_others:
            return report()
        print(f"{what}: void, others used {share:.0%} of a processor", flush=True)
    print(f"{what}: not measured", flush=True)
    return True


async def _run(environment: Mapping[str, str], processes: int, seconds: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what the client received and what stores acknowledged."""
    env = {**os.environ, **environment}
    async with contextlib.AsyncExitStack() as stack:
        settings = StoreSettings.from_environment(environment)
        async with open_store(settings) as store:
            await store.provision()
            await runs(store)
        port = free_port()
        serve = [sys.executable, "-m", "bench.watching", "serve", str(port), str(seconds if processes == 1 else 0.0)]
        server = await stack.enter_async_context(process(serve, env))
        await answers(port)
        node, package = shlex.split(os.environ["BIFROST_SIGNALR_CLIENT"])
        names = [node, str(ROOT / "bench" / "watcher.cjs"), str(Path(package).parents[3]), f"http://127.0.0.1:{port}", "admin"]
        watcher = await stack.enter_async_context(process([*names, *(f"run-{number}" for number in range(RUNS))], env))
        received: list[dict[str, Any]] = []
        assert watcher.stdout is not None
        first = json.loads(await watcher.stdout.readline())
        if "joined" not in first:
            raise RuntimeError(f"the client could not watch: {first}")
        reading = asyncio.create_task(_lines(watcher, received))
        acknowledged = await written(server, processes, seconds, env)
        reading.cancel()
    return received, acknowledged


async def written(
    server: asyncio.subprocess.Process, processes: int, seconds: float, env: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Let lines be written, by *server* or by a process of its own, and return what was acknowledged, some time later."""
    async with contextlib.AsyncExitStack() as stack:
        writer = server
        if processes == 2:
            command = [sys.executable, "-m", "bench.watching", "write", str(seconds)]
            writer = await stack.enter_async_context(process(command, env))
        elif server.stdin is not None:
            server.stdin.write(b"write\n")
        acknowledged = [json.loads(line) for line in await until_done(writer)]
        await asyncio.sleep(2.0)
    return acknowledged


def _report(what: str, received: Sequence[Mapping[str, Any]], acknowledged: Sequence[Mapping[str, Any]]) -> bool:
    if any("closed" in one for one in received):
        print(f"{what}: the client was disconnected")
        return False
    came = {(one["run"], number): one["at"] for one in reversed(received) for number in one["numbers"]}
    count, is_kept = judged(f"{what}: {{}} -> received", came, acknowledged)
    print(f"{what}: {count} lines, {len(received) / max(1, count):.3f} frames a line", flush=True)
    return is_kept


def judged(text: str, came: Mapping[tuple[str, int], float], acknowledged: Iterable[Mapping[str, Any]]) -> tuple[int, bool]:
    """Print how long after their acknowledgement, and after they were meant, lines came; return how many, and if they kept to it.

    Args:
        text: Before the figures; it takes since when they are.
        came: By run and number of a line, when it came.
    """
    seconds: dict[str, list[float]] = {"acknowledged": [], "meant": []}
    for document in acknowledged:
        for number, meant in document["lines"]:
            at = came.get((document["run"], number), float("inf"))
            seconds["acknowledged"].append(at - document["at"])
            seconds["meant"].append(at - meant)
    count = len(seconds["meant"])
    is_kept = count > 0
    for since, values in seconds.items():
        values.sort()
        parts = {part: values[min(count - 1, int(part * count))] for part in (0.5, 0.95, 0.99)} if values else {}
        told = ", ".join(f"p{part:.0%}".rstrip("%") + f" {1000 * value:.0f} ms" for part, value in parts.items())
        print(f"{text.format(since)} {told}", flush=True)
        is_kept = is_kept and all(parts[part] <= most for part, most in _MOST[since].items())
    return count, is_kept


async def _serve(port: str, seconds: str) -> int:
    """Serve clients; with *seconds* also record for so long, once a line comes on standard input."""
    url = f"http://127.0.0.1:{port}"
    app = application(url, publishes=float(seconds) > 0, rates=(_BUSY, _SLOW), seconds=float(seconds))
    await Server(uvicorn.Config(app, port=int(port), log_level="warning", timeout_graceful_shutdown=1)).serve()
    return 0


async def _write(seconds: str) -> int:
    await write(None, (_BUSY, _SLOW), float(seconds))
    return 0


def stores(folder: str, cosmos: str) -> dict[str, dict[str, str]]:
    """Return the settings of each store that is measured."""
    return {
        "sqlite": {"BIFROST_STORE_BACKEND": "sqlite", "BIFROST_STORE_SQLITE_PATH": f"{folder}/runs.db"},
        "cosmos": {
            "BIFROST_STORE_BACKEND": "cosmos",
            "BIFROST_STORE_COSMOS_CONNECTION_STRING": cosmos,
            "BIFROST_STORE_BLOB_FOLDER": f"{folder}/blobs",
        },
    }


@contextlib.asynccontextmanager
async def process(command: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process, which is ended with the block."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=dict(env), cwd=ROOT, stdin=pipe, stdout=pipe, limit=2**24)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _lines(process: asyncio.subprocess.Process, lines: list[dict[str, Any]]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        lines.append(json.loads(line))  # noqa: PERF401 - what came so far is wanted, too


async def until_done(process: asyncio.subprocess.Process) -> list[bytes]:
    """Return the lines that a process prints before it says that it is done."""
    assert process.stdout is not None
    lines: list[bytes] = []
    async for line in process.stdout:
        if line == b"done\n":
            return lines
        lines.append(line)
    raise RuntimeError("a process ended before it was done")


async def answers(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise RuntimeError("the server did not start")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
