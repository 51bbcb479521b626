"""One hub of the local service."""

from __future__ import annotations

import re
import time
from typing import Final

from bifrost_store.signalr.connection import Connection
from bifrost_store.signalr.limits import Limits
from bifrost_store.signalr.switchboard import Switchboard

HUB: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")


class Room:
    """Its connections, and which groups users were put into, for connections that are still to come."""

    def __init__(self, limits: Limits) -> None:
        self.switchboard = Switchboard(limits)
        self._groups_of_users: dict[str, dict[str, float]] = {}

    def opened(self, connection: Connection) -> None:
        """Put a new connection into the groups of its user."""
        for group, expires_at in self._groups_of_users.get(connection.user_id, {}).items():
            if time.monotonic() < expires_at:
                self.switchboard.join(connection, group)

    def add_user(self, user_id: str, group: str, ttl_seconds: float) -> None:
        """Put a user into a group: present connections, and those that come before the time is over."""
        for connection in list(self.switchboard.of_user(user_id)):
            self.switchboard.join(connection, group)
        if ttl_seconds > 0:
            self._groups_of_users.setdefault(user_id, {})[group] = time.monotonic() + ttl_seconds

    def remove_user(self, user_id: str, group: str | None = None) -> None:
        """Take a user out of a group, or of all."""
        groups = self._groups_of_users.get(user_id, {})
        for connection in list(self.switchboard.of_user(user_id)):
            for one in list(connection.groups) if group is None else [group]:
                self.switchboard.leave(connection, one)
        if group is None:
            groups.clear()
        else:
            groups.pop(group, None)

    def has_user_in(self, user_id: str, group: str) -> bool:
        """Return whether a user is in a group, now or once connected."""
        expires_at = self._groups_of_users.get(user_id, {}).get(group, 0.0)
        return time.monotonic() < expires_at or any(group in one.groups for one in self.switchboard.of_user(user_id))
