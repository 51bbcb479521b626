"""Who belongs to which organization: membership records, one per user and organization, in the organization's scope."""

from __future__ import annotations

from contextlib import suppress

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.query import Eq
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import Membership
from bifrost_store.errors import DocumentExistsError
from bifrost_store.repositories.changes import create_or_mend
from bifrost_store.repositories.reading import all_records, ordered

KIND = "membership"


class MembershipRecords:
    """Reads and writes the memberships for the users' repository. Every step is safe to repeat."""

    def __init__(self, backend: Backend, *, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock

    async def of_user(self, email: str) -> Page[Record]:
        """Return one user's memberships by organization id. Asks across scopes."""
        found = await all_records(self._backend, KIND, None, Eq("email", email))
        return ordered(found, key=lambda record: record.key.scope.partition_key)

    async def of_organization(self, organization: Scope) -> Page[Record]:
        """Return an organization's memberships by e-mail."""
        return ordered(await all_records(self._backend, KIND, organization), key=lambda record: record.key.id)

    async def scopes(self, email: str) -> list[Scope]:
        """Return the scopes of one user's organizations, ordered by their ids. Asks across scopes.

        A membership that cannot be read is one: its key tells whose.
        """
        found = await self.of_user(email)
        unreadable = {Scope(error.document[1]) for error in found.unreadable if error.document and error.document[2] == email}
        return sorted(unreadable.union(record.key.scope for record in found), key=lambda scope: scope.partition_key)

    async def first_scopes(self) -> dict[str, Scope]:
        """Return the scope with the smallest organization id of everyone who has one, by e-mail. Asks across scopes."""
        first: dict[str, Scope] = {}
        found = await all_records(self._backend, KIND, None)
        unreadable = [(error.document[2], Scope(error.document[1])) for error in found.unreadable if error.document is not None]
        for email, scope in (*((record.key.id, record.key.scope) for record in found), *unreadable):
            first[email] = min(first.get(email, scope), scope)
        return first

    async def add(self, email: str, organization: Scope, created_by: str) -> tuple[Record, bool]:
        """Return the membership, and whether it is new; one that is there stays as it is."""
        key = Key(KIND, organization, email)
        body = {"email": email, "createdAt": format_time(self._clock()), "createdBy": created_by}
        return await create_or_mend(self._backend, Record(key, body), Membership)

    async def end(self, email: str, organization: Scope) -> bool:
        """Delete one membership; return whether it was there."""
        return await self._backend.delete(Key(KIND, organization, email)) is not None

    async def end_all(self, email: str, *, but: Scope | None = None) -> None:
        """Delete a user's memberships, except that in *but*."""
        await for_each(lambda scope: self.end(email, scope), [scope for scope in await self.scopes(email) if scope != but])

    async def move(self, email: str, new_email: str) -> None:
        """Give a user's memberships to another e-mail: first all new ones, then an end to the old."""

        async def add(record: Record) -> None:
            body = {**record.body, "email": new_email}
            key = Key(KIND, record.key.scope, new_email)
            with suppress(DocumentExistsError):
                await self._backend.create(Record(key, body, expires_at=record.expires_at, extra=record.extra))

        old = (await self.of_user(email)).items
        await for_each(add, old)
        await for_each(lambda record: self._backend.delete(record.key), old)
