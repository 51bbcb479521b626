"""`python -m bench.painting`: how soon the console has painted a line after the store has it, and what the page costs.

Lines are meant at their times whatever becomes of the ones before; the console is watched in Chromium, the busy run in one tab and
one of the nineteen slow ones in another.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import uvicorn

from bench.emulator import run_emulator
from bench.first_paint import first_paints, long_run, sizes
from bench.painted import Watched, chromium, console, entered
from bench.quiet import MOST_OF_OTHERS
from bench.watched import runs
from bench.watching import answers, free_port, judged, process, stores, tried, written
from bifrost_store import StoreSettings, open_store
from bifrost_store.signalr import Server

_RATES: Final = (200.0, 1.0)
"""Lines a second of the first run, and of each other."""
_WATCHED: Final = ("run-0", "run-1")


def main(arguments: Sequence[str]) -> int:
    """Measure, print the figures, and return 1 if a promise is not kept."""
    if arguments[:1] == ["serve"]:
        return anyio.run(_serve, arguments[1], arguments[2])
    parser = argparse.ArgumentParser(prog="bench.painting", description="How soon the console has painted what is recorded.")
    parser.add_argument("--seconds", type=float, default=60, help="how long each way is measured; 60 by default")
    parser.add_argument("--anyway", action="store_true", help="also on a machine that others use; such figures say little")
    options = parser.parse_args(arguments)
    return anyio.run(_measure, options.seconds, float("inf") if options.anyway else MOST_OF_OTHERS)


async def _measure(seconds: float, most_of_others: float) -> int:
    kept = [sizes(), await first_paints(most_of_others), await long_run(most_of_others)]
    with TemporaryDirectory(prefix="bifrost-store-bench-") as folder, run_emulator() as server:
        for store, environment in stores(folder, server.connection_string).items():
            for processes in (1, 2):
                what = f"{store}, {'one process' if processes == 1 else 'two processes, by the feed alone'}"
                kept.append(await tried(what, partial(_run, what, environment, processes, seconds), most_of_others))
    return 0 if all(kept) else 1


async def _run(what: str, environment: Mapping[str, str], processes: int, seconds: float) -> Callable[[], bool]:
    """Record for so long while pages watch, and return how to report it."""
    env = {**os.environ, **environment}
    async with contextlib.AsyncExitStack() as stack:
        async with open_store(StoreSettings.from_environment(environment)) as store:
            await store.provision()
            await runs(store)
        port = free_port()
        serve = [sys.executable, "-m", "bench.painting", "serve", str(port), str(seconds if processes == 1 else 0.0)]
        server = await stack.enter_async_context(process(serve, env))
        await answers(port)
        address = f"http://127.0.0.1:{port}/"
        context = await entered(await stack.enter_async_context(chromium()), address)
        pages = [await Watched.open(context, address, run) for run in _WATCHED]
        acknowledged = await written(server, processes, seconds, env)
        disconnects = sum(page.disconnects for page in pages)
        came = {line: at for page in pages for line, at in (await page.painted()).items()}
        await context.close()
    return partial(_report, what, came, [one for one in acknowledged if one["run"] in _WATCHED], disconnects)


def _report(what: str, came: Mapping[tuple[str, int], float], acknowledged: Sequence[Mapping[str, Any]], disconnects: int) -> bool:
    count, is_kept = judged(f"{what}: {{}} -> painted", came, acknowledged)
    print(f"{what}: {count} lines, {disconnects} disconnects", flush=True)
    return is_kept and not disconnects


async def _serve(port: str, seconds: str) -> int:
    """Serve the console; with *seconds* also record for so long, once a line comes on standard input."""
    app = console(f"127.0.0.1:{port}", publishes=float(seconds) > 0, rates=_RATES, seconds=float(seconds))
    config = uvicorn.Config(app, port=int(port), log_level="warning", ws_per_message_deflate=False, timeout_graceful_shutdown=1)
    await Server(config).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
