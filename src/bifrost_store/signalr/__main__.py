"""``python -m bifrost_store.signalr``: the local stand-in of Azure SignalR Service."""

from __future__ import annotations

import argparse

import uvicorn

from bifrost_store.signalr.server import Server
from bifrost_store.signalr.service import LocalService


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m bifrost_store.signalr", description=__doc__)
    parser.add_argument("--port", type=int, default=8888)
    port = parser.parse_args(arguments).port
    service = LocalService()
    print(service.connection_string(f"http://localhost:{port}"), flush=True)  # noqa: T201 - that is what it is for
    Server(uvicorn.Config(service, host="127.0.0.1", port=port, log_level="warning"), service).run()


if __name__ == "__main__":
    main()
