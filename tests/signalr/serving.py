"""Applications behind a real uvicorn: on a thread of the test's process, or as processes of their own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

from bifrost_store.signalr import Server


def free_socket(port: int = 0) -> socket.socket:
    """Return one that listens: clients that come before its server is ready wait."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(128)
    return listening


@contextlib.contextmanager
def serving(app: Any, *hubs: Any, port: int = 0, server: Server | None = None, **options: Any) -> Iterator[str]:
    """Serve an application, whose hubs are named, on a thread, and give its address."""
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, **options)
    server = server or Server(config, *hubs)
    listening = free_socket(port)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
