"""Runs the console on this machine until it is interrupted."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Final

import anyio
import uvicorn
from typing_extensions import override

from bifrost_store.console.access import Access
from bifrost_store.console.application import console_app
from bifrost_store.console.live import Live, console_hub
from bifrost_store.console.migration import asking_migration
from bifrost_store.errors import ConfigurationError
from bifrost_store.opening.realtime import open_realtime
from bifrost_store.realtime import platform_rules
from bifrost_store.settings import StoreSettings
from bifrost_store.signalr import Hub, Server
from bifrost_store.store import Store

_LOCAL_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")


async def serve(
    settings: StoreSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    allowed_hosts: Sequence[str] = (),
    proxy_secret: str | None = None,
    on_ready: Callable[[str, Store], None],
) -> None:
    """Open a store and serve it until SIGINT or SIGTERM.

    Args:
        settings: By default those of the environment.
        port: 0 takes a free one.
        allowed_hosts: Names beside the local ones, with the port where browsers name one.
        proxy_secret: See `Access`.
        on_ready: Is given the address, with its token, and the store, once clients may connect.

    Raises:
        ConfigurationError: It cannot listen there.
    """
    listener = _listen(host, port)
    with listener:
        port = listener.getsockname()[1]
        names = [*_LOCAL_NAMES, f"[{host}]" if ":" in host else host]
        token = secrets.token_urlsafe(32)
        hosts = {f"{name}:{port}" for name in names} | {name.lower() for name in allowed_hosts}
        access = Access(hosts, token, proxy_secret)
        hub = console_hub()
        settings = settings or StoreSettings.from_environment()
        async with (
            hub,
            open_realtime(hub, settings, may_watch=platform_rules) as opened,
            asking_migration(settings) as ask_migration,
        ):
            config = uvicorn.Config(
                console_app(opened.store, access, live=Live(hub, opened.watchers), ask_migration=ask_migration),
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=2,
                ws_max_size=65_536,  # of one message, which uvicorn collects before the hub can refuse it
                ws_per_message_deflate=False,
            )
            address = f"http://{_LOCAL_NAMES[0]}:{port}/#token={token}"
            server = _Server(config, hub, on_ready=lambda: on_ready(address, opened.store))
            try:
                await server.serve([listener])
            except anyio.get_cancelled_exc_class():
                # Cancelled, uvicorn leaves its sockets to the event loop, which would take others of the same number for them.
                with anyio.CancelScope(shield=True):
                    if server.started:
                        await server.shutdown([listener])
                raise


class _Server(Server):
    def __init__(self, config: uvicorn.Config, hub: Hub, *, on_ready: Callable[[], None]) -> None:
        super().__init__(config, hub)
        self._on_ready = on_ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"cannot listen on {host} port {port}: {error.strerror}; name another by --port") from error
    return listener
