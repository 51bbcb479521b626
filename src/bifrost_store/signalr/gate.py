"""Which hosts a hub answers to, and which pages may use it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers

from bifrost_store.signalr.counters import Reason
from bifrost_store.signalr.switchboard import Refusal

LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
ANY: Final = "*"


class Gate:
    """Refuses requests under a foreign host name, which DNS rebinding makes, and those of foreign pages.

    Args:
        hosts: Host names, with a port where only that one is meant; ``*`` where something in front has checked.
        origins: Origins of pages, as ``https://app.example.com``, beside those under the host itself; ``*`` for all.
    """

    def __init__(self, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._hosts = {host.lower() for host in hosts}
        self.origins = [origin.lower().rstrip("/") for origin in origins]
        wrong = [origin for origin in self.origins if origin != ANY and not _is_origin(origin)]
        if wrong:
            raise ValueError(f"an origin is a scheme and a host, as https://app.example.com, not {wrong[0]!r}")

    def check(self, headers: Headers) -> None:
        """Raise `Refusal` for a request that is not let in."""
        host = headers.get("host", "").lower()
        if not host or not {ANY, host, _without_port(host)} & self._hosts:
            raise Refusal(Reason.HOST, 400, "The hub is not called by this host name.")
        origin = headers.get("origin")
        if origin is not None and not self._may(origin.lower(), host):
            raise Refusal(Reason.ORIGIN, 403, "Pages of this origin may not use the hub.")

    def _may(self, origin: str, host: str) -> bool:
        return ANY in self.origins or origin in self.origins or (_is_origin(origin) and origin.partition("://")[2] == host)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _is_origin(text: str) -> bool:
    scheme, colon, host = text.partition("://")
    return scheme in ("http", "https") and bool(colon and host) and not set(host) & set("/?#@\\")
