"""`Sender`: what a hub of one's own and Azure SignalR Service both do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Negotiation:
    """Where a client connects, and with what. Clients take ``{"url": url, "accessToken": access_token}``."""

    url: str
    access_token: str = field(repr=False)


class Sender(Protocol):
    """Sends to clients and puts them into groups.

    Sending is at most once: who is not connected, or too slow, does not get it, and nobody is told. Arguments are JSON values;
    NaN and Infinity are none. Integers beyond 2^53 arrive rounded, as JavaScript has no others.

    All methods raise `InvalidMessageError` and `MessageTooLargeError` before anything is sent, and, where a service is asked,
    `AccessDeniedError`, `ThrottledError` and `UnavailableError`.
    """

    async def send_to_all(self, target: str, *arguments: object) -> None:
        """Call *target* at every client."""
        ...

    async def send_to_group(self, group: str, target: str, *arguments: object) -> None:
        """Call *target* at the clients in a group; a group that nobody is in is nothing special."""
        ...

    async def send_to_user(self, user_id: str, target: str, *arguments: object) -> None:
        """Call *target* at all clients of a user."""
        ...

    async def send_to_connection(self, connection_id: str, target: str, *arguments: object) -> None:
        """Call *target* at one client, if it is there."""
        ...

    async def add_to_group(self, connection_id: str, group: str) -> None:
        """Put a client into a group, until it leaves or disconnects; again changes nothing.

        Ask `is_connection_of` first where the id came from a client.

        Raises:
            ConnectionNotFoundError: There is no such client; on a hub of one's own, none in this process.
            LimitReachedError: It is in as many groups as it may be.
        """
        ...

    async def remove_from_group(self, connection_id: str, group: str) -> None:
        """Take a client out of a group; nothing happens if it is not in it, or not there."""
        ...

    async def close_connection(self, connection_id: str, reason: str | None = None) -> None:
        """End a client's connection, without leave to reconnect by itself; nothing happens if it is not there."""
        ...

    async def is_connection_of(self, connection_id: str, user_id: str) -> bool:
        """Return whether a connection was negotiated by a user. True says nothing about whether it is still there."""
        ...

    async def negotiate(self, user_id: str) -> Negotiation:
        """Return what a client of this user connects with; the caller has checked who it is."""
        ...
