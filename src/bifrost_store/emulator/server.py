"""`CosmosEmulator`: the server, on its own thread with its own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from bifrost_store.emulator.app import App
from bifrost_store.emulator.clock import Clock
from bifrost_store.emulator.control.faults import Faults
from bifrost_store.emulator.control.requestlog import RequestLog
from bifrost_store.emulator.engine import Engine, Options
from bifrost_store.emulator.query.queries import condition_holds
from bifrost_store.emulator.wire.auth import EMULATOR_KEY, Authority
from bifrost_store.emulator.wire.http import Listener

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
_STOP_SECONDS = 10.0


class CosmosEmulator:
    """A local server that speaks Azure Cosmos DB for NoSQL, for development and tests; it is no database for production.

    Use it as a context manager, or call `start` and `stop`. It may be started once.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        https: Speak HTTPS with a certificate made on the fly (`ca_certificate`), in place of HTTP.
        key: The account's key, in base64; the one that Microsoft's emulators have unless given.
        data: The file to keep everything in; in memory without one.
        options: How the server behaves.
        public_endpoint: Where clients reach the server, if not at the address they name in their requests.

    Raises:
        DataFileError: From `start`; the file cannot be used, and was left as it was.
        OSError: From `start`; the port is taken.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        https: bool = False,
        key: str = EMULATOR_KEY,
        data: str | Path | None = None,
        options: Options | None = None,
        public_endpoint: str | None = None,
    ) -> None:
        self.key = key
        self.clock = Clock()
        self._host = host
        self._port = port
        self._https = https
        self._authority = Authority(key)
        self._data = None if data is None else Path(data)
        self._options = options or Options()
        self._public_endpoint = public_endpoint
        self._app: App | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self.ca_certificate: str | None = None
        """The certificate, as PEM, that vouches for the server's; None without HTTPS."""

    @property
    def endpoint(self) -> str:
        """Where the server is: what clients are given as their URL."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return self._public_endpoint or f"{'https' if self._https else 'http'}://{host}:{self._port}/"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def connection_string(self) -> str:
        """Endpoint and key in one text."""
        return f"AccountEndpoint={self.endpoint};AccountKey={self.key};"

    @property
    def faults(self) -> Faults:
        """What goes wrong on demand."""
        return self._running.faults

    @property
    def log(self) -> RequestLog:
        """What was asked, and what it cost."""
        return self._running.log

    @property
    def ru_limit(self) -> float | None:
        """Request units per second that a container serves; None serves all."""
        return self._running.throttle.ru_per_second

    @ru_limit.setter
    def ru_limit(self, limit: float | None) -> None:
        throttle = self._running.throttle
        throttle.ru_per_second = limit
        self.call(throttle.reset)

    def start(self) -> Self:
        """Start serving; returns when clients may connect."""
        if self._thread is not None:
            raise RuntimeError("an emulator is started once")
        listener = _listen(self._host, self._port)
        try:
            self._port = listener.getsockname()[1]
            context = self._certificate() if self._https else None
            engine = Engine(self._data, self.clock, self._options, condition_holds)
        except BaseException:
            listener.close()
            raise
        self._app = App(engine, self._authority, self._public_endpoint)
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._app, listener, context, started), name=f"cosmos-emulator-{self._port}", daemon=True
        )
        self._thread.start()
        started.wait()
        return self

    def stop(self) -> None:
        """End every connection, close the file and free the port; a second call does nothing."""
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None or not thread.is_alive() or loop is None or stopping is None:
            return
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stopping.set)
        thread.join(_STOP_SECONDS)

    def reset(self) -> None:
        """Remove all data, faults and log entries, and return the clock to the machine's time."""
        self.call(self._running.reset)

    def split(self, database: str, container: str, range_id: str = "0") -> None:
        """Split a physical partition of a container in two, as the service does when one grows."""
        engine = self._running.engine
        self.call(lambda: engine.split(engine.container(database, container), range_id))

    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the server's thread, between two requests, and return what it returns."""

        async def run() -> T:
            return function()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_STOP_SECONDS)

    @property
    def _running(self) -> App:
        if self._app is None:
            raise RuntimeError("the emulator is not started")
        return self._app

    def _certificate(self) -> ssl.SSLContext:
        from bifrost_store.emulator.wire.certificate import make_certificate  # noqa: PLC0415 - takes time to import

        context, self.ca_certificate = make_certificate(self._host)
        return context

    def _run(self, app: App, listener: socket.socket, context: ssl.SSLContext | None, started: threading.Event) -> None:
        # The listener is watched as a file, which the loop that Windows prefers cannot do.
        loop = self._loop = asyncio.SelectorEventLoop()
        try:
            loop.run_until_complete(self._serve(app, listener, context, started))
        finally:
            started.set()
            listener.close()
            app.engine.close()
            loop.close()

    async def _serve(self, app: App, listener: socket.socket, context: ssl.SSLContext | None, started: threading.Event) -> None:
        self._stopping = asyncio.Event()
        await Listener(listener, context, app, app.malformed).serve(self._stopping, started.set)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await asyncio.to_thread(self.stop)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
