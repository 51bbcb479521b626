"""A process with a hub, mounted in an application, as a deployment has it; prints its port, and logs to stderr."""

from __future__ import annotations

import os
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from bifrost_store.signalr import Connection, Server
from tests.signalr.hubs import build_hub
from tests.signalr.serving import free_socket


def main() -> None:
    hub = build_hub(key=sys.argv[1], sticky=False)

    @hub.on("where")
    async def where(connection: Connection) -> int:
        return os.getpid()

    app = Starlette(routes=[Mount("/live", hub)], lifespan=hub.lifespan)
    listening = free_socket()
    print(listening.getsockname()[1], flush=True)
    Server(uvicorn.Config(app, log_level="info"), hub).run([listening])


if __name__ == "__main__":
    main()
