"""A sender that keeps what it was given, for tests of what comes before one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from bifrost_store.signalr import ConnectionNotFoundError, Negotiation, Sender


@dataclass
class KeepingSender(Sender):
    """Keeps messages by group; *errors* are raised first, *gate* lets sends wait."""

    sent: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=lambda: defaultdict(list))
    members: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    users: dict[str, str] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    gate: asyncio.Event | None = None
    under_way: int = 0
    most_under_way: int = 0

    async def send_to_group(self, group: str, target: str, *arguments: Any) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.errors:
                raise self.errors.pop(0)
            (body,) = arguments
            self.sent[group].append((target, dict(body)))
        finally:
            self.under_way -= 1

    async def add_to_group(self, connection_id: str, group: str) -> None:
        if connection_id not in self.users:
            raise ConnectionNotFoundError(connection_id)
        self.members[group].add(connection_id)

    async def remove_from_group(self, connection_id: str, group: str) -> None:
        self.members[group].discard(connection_id)

    async def negotiate(self, user_id: str) -> Negotiation:
        return Negotiation("http://hub", f"ticket of {user_id}")

    async def is_connection_of(self, connection_id: str, user_id: str) -> bool:
        return self.users.get(connection_id) == user_id

    async def send_to_all(self, target: str, *arguments: Any) -> None:
        raise NotImplementedError

    async def send_to_user(self, user_id: str, target: str, *arguments: Any) -> None:
        raise NotImplementedError

    async def send_to_connection(self, connection_id: str, target: str, *arguments: Any) -> None:
        raise NotImplementedError

    async def close_connection(self, connection_id: str, reason: str | None = None) -> None:
        raise NotImplementedError

    def is_watched(self, group: str) -> bool:
        return bool(self.members[group])

    def groups(self) -> list[str]:
        return [group for group, members in self.members.items() if members]
