"""Operations on users over several records: what a crash between any two writes leaves, and that repeating completes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Delete, Result
from bifrost_store.core.operations import Operation as StoredOperation
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import SPECS, User, UserType
from bifrost_store.errors import DocumentExistsError, PreconditionFailedError
from bifrost_store.repositories.users import UserRepository
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.model import ModelBackend
from bifrost_store.wrappers.checked import CheckedBackend

pytestmark = pytest.mark.anyio

SAM, NEW = "sam@x.com", "samuel@x.com"
Operation = Callable[[UserRepository], Awaitable[Any]]


class CrashError(Exception):
    """The process ends here."""


class CrashingBackend(ModelBackend):
    """Lets *writes_left* writes through."""

    writes_left = 1_000

    async def write(self, operations: Sequence[StoredOperation], *, attempt: Attempt) -> list[Result]:
        self._write()
        return await super().write(operations, attempt=attempt)

    def _write(self) -> None:
        if self.writes_left == 0:
            raise CrashError
        self.writes_left -= 1


async def _member_of_two(users: UserRepository) -> None:
    await users.create(SAM, organization_id="b")
    await users.assign(SAM, "a", created_by="admin")


async def _platform_user(users: UserRepository) -> None:
    await users.create(SAM, user_type=UserType.PLATFORM, is_platform_admin=True)


async def _nobody(users: UserRepository) -> None:
    pass


OPERATIONS: dict[str, tuple[Operation, Operation]] = {
    "create": (_nobody, lambda users: users.create(SAM, organization_id="a")),
    "promote": (_member_of_two, lambda users: users.promote(SAM)),
    "demote": (_platform_user, lambda users: users.demote(SAM, "a")),
    "rename": (_member_of_two, lambda users: users.rename(SAM, NEW)),
    "assign": (_member_of_two, lambda users: users.assign(SAM, "c", created_by="admin")),
    "unassign": (_member_of_two, lambda users: users.unassign(SAM, "b")),
    "delete": (_member_of_two, lambda users: users.delete(SAM)),
}


def open_users() -> tuple[CrashingBackend, UserRepository]:
    backend, clock = CrashingBackend(clock=SettableClock()), SettableClock()
    return backend, UserRepository(CheckedBackend(backend, SPECS), clock=clock)


async def content(backend: ModelBackend) -> dict[str, Any]:
    """Return everything stored, by key."""
    pages = [await backend.query(Query(kind, None, limit=500)) for kind in ("user", "membership")]
    return {str(record.key): record.body for page in pages for record in page}


async def check_readers(users: UserRepository) -> None:
    """Every user shown in an organization is one whose own record says ORG, and platform users belong nowhere."""
    for email in (SAM, NEW):
        user = await users.get(email)
        memberships = await users.memberships(email)
        if user is not None and user.user_type is UserType.PLATFORM:
            assert user.scope == GLOBAL
            assert not memberships
    for organization_id in ("a", "b", "c"):
        for user in await users.list_organization(organization_id):
            assert user.user_type is UserType.ORG
            assert organization_id in [one.organization_id for one in await users.memberships(user.id)]
        platform = {user.id for user in await users.list() if user.user_type is UserType.PLATFORM}
        assert not platform & {one.email for one in await users.members(organization_id)}


async def crashed_runs(name: str) -> AsyncIterator[tuple[CrashingBackend, UserRepository]]:
    """Yield stores in which the operation was cut short after 0, 1, 2, ... writes."""
    prepare, operation = OPERATIONS[name]
    writes = 0
    while True:
        backend, users = open_users()
        await prepare(users)
        backend.writes_left = writes
        try:
            await operation(users)
        except CrashError:
            backend.writes_left = 1_000
            yield backend, users
        else:
            return
        writes += 1


@pytest.mark.parametrize("name", OPERATIONS)
async def test_repeating_completes_what_a_crash_left(name: str) -> None:
    """After a crash between any two writes no reader is misled, and the same call again ends as without a crash."""
    prepare, operation = OPERATIONS[name]
    backend, users = open_users()
    await prepare(users)
    await operation(users)
    expected = await content(backend)

    runs = 0
    async for backend, users in crashed_runs(name):
        runs += 1
        await check_readers(users)
        await operation(users)
        assert expected == await content(backend)
        await check_readers(users)
    assert runs > 0


async def test_a_taken_email_gets_no_membership() -> None:
    """Creating a user whose e-mail is taken changes nothing for the one who has it."""
    backend, users = open_users()
    await users.create(SAM, organization_id="a")
    before = await content(backend)

    for organization_id in ("a", "b", None):
        with pytest.raises(DocumentExistsError):
            await users.create(SAM, organization_id=organization_id)

    assert before == await content(backend)


async def test_a_stale_etag_changes_no_membership() -> None:
    """With an etag of an earlier state nothing at all is written."""
    backend, users = open_users()
    await _member_of_two(users)
    stale = await users.get(SAM)
    assert stale is not None
    await users.update(SAM, display_name="Samuel")
    before = await content(backend)

    refused: list[Operation] = [
        lambda users: users.promote(SAM, etag=stale.etag),
        lambda users: users.demote(SAM, "c", etag=stale.etag),
        lambda users: users.delete(SAM, etag=stale.etag),
    ]
    for operation in refused:
        with pytest.raises(PreconditionFailedError):
            await operation(users)

    assert before == await content(backend)


async def test_renaming_onto_someone_else_is_refused() -> None:
    """Only the user's own copy, left by a crash, may be at the new e-mail; sign-ins since then do not change whose it is."""
    backend, users = open_users()
    await users.create(SAM, organization_id="a")
    await users.create(NEW, organization_id="a")
    before = await content(backend)
    with pytest.raises(DocumentExistsError):
        await users.rename(SAM, NEW)
    assert before == await content(backend)

    await users.delete(NEW)
    backend.writes_left = 2
    with pytest.raises(CrashError):
        await users.rename(SAM, NEW)
    backend.writes_left = 1_000
    login = (await users.record_login(SAM, at=SettableClock().advance(days=1))).last_login
    renamed = await users.rename(SAM, NEW)
    assert (NEW, login) == (renamed.id, renamed.last_login)
    assert await users.get(SAM) is None


async def test_a_change_during_a_rename_is_not_lost() -> None:
    """What is written to the old record while the rename runs is found in the new one."""

    class Interrupted(ModelBackend):
        is_interrupted = False

        async def write(self, operations: Sequence[StoredOperation], *, attempt: Attempt) -> list[Result]:
            if isinstance(operations[0], Delete) and operations[0].key.kind == "user" and not self.is_interrupted:
                self.is_interrupted = True
                await users.update(SAM, display_name="Samuel")
            return await super().write(operations, attempt=attempt)

    users = UserRepository(Interrupted(clock=SettableClock()), clock=SettableClock())
    await users.create(SAM)

    renamed = await users.rename(SAM, NEW)

    assert (renamed.id, renamed.display_name) == (NEW, "Samuel")
    assert await users.get(SAM) is None


async def test_users_of_the_old_application_show_their_first_organization() -> None:
    """A user whose record names no organization is shown in the one with the smallest id, by every method."""
    backend, users = open_users()
    await _member_of_two(users)
    stored = await backend.get(Key("user", GLOBAL, SAM))
    assert stored is not None
    await backend.replace(stored.with_body({**stored.body, "organizationId": None}), stored.etag)

    shown: list[User | None] = [await users.get(SAM), (await users.list())[0], await users.record_login(SAM)]

    assert [Scope.organization("a")] * 3 == [user and user.scope for user in shown]
