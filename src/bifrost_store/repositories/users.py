"""Users, all in GLOBAL, and their memberships in organizations.

Operations over several records are ordered steps with one commit point, the user's own record. What a crash leaves is
skipped by readers: a membership without a user, and any membership of a PLATFORM user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.query import ID, Eq, Filter, In, Query
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import GLOBAL, Scope, is_organization_id
from bifrost_store.core.tasks import for_each, together
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.core.version import Etag
from bifrost_store.documents import Membership, User, UserType
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    InvalidKeyError,
    InvalidRequestError,
    PreconditionFailedError,
)
from bifrost_store.repositories.changes import Change, change_record, check_state, read
from bifrost_store.repositories.checks import check_email, check_flag, check_id, check_name, one_of, utc
from bifrost_store.repositories.memberships import MembershipRecords
from bifrost_store.repositories.reading import all_records, ids_of, joined, ordered, readable_part
from bifrost_store.repositories.renames import rename_user
from bifrost_store.repository_protocols.users import Users

MAX_FILTER_VALUES: Final = 100
"""E-mails in one query, as the waist takes them."""
_NEVER_LOGGED_IN: Final = datetime.min.replace(tzinfo=UTC)


class UserRepository(Users):
    """The `Users` of a store. See `bifrost_store.protocols.Users`."""

    def __init__(self, backend: Backend, *, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._memberships = MembershipRecords(backend, clock=clock)

    @override
    async def create(
        self,
        email: str,
        *,
        display_name: str | None = None,
        user_type: UserType = UserType.ORG,
        is_platform_admin: bool = False,
        organization_id: str | None = None,
        created_by: str = "system",
        entra_user_id: str | None = None,
        is_active: bool = True,
    ) -> User:
        check_email(email, "email")
        key = _key(email)
        user_type = one_of(UserType, user_type, "user_type")
        fields: dict[str, Any] = {"is_active": is_active, "entra_user_id": entra_user_id}
        if display_name is not None:
            fields["display_name"] = display_name
        _check_fields(fields)
        check_id(created_by, "created_by")
        check_flag(is_platform_admin, "is_platform_admin")
        if user_type is UserType.ORG and is_platform_admin:
            raise InvalidRequestError("is_platform_admin: only a PLATFORM user can be a platform admin")
        if user_type is UserType.PLATFORM and organization_id is not None:
            raise InvalidRequestError("organization_id: a PLATFORM user belongs to no organization")
        organization = None if organization_id is None else _organization_scope(organization_id)
        now = format_time(self._clock())
        body = {
            "email": email,
            "displayName": fields.get("display_name", email.partition("@")[0] or email),
            "userType": user_type.value,
            "isPlatformAdmin": is_platform_admin,
            "isActive": is_active,
            "createdAt": now,
            "lastLogin": now,
            "entraUserId": entra_user_id,
            "lastEntraIdSync": None,
            "organizationId": organization_id,
        }
        if organization is None:
            return await self._shown(await self._backend.create(Record(key, body)))
        return User.from_record(await self._create_member(Record(key, body), organization, created_by))

    @override
    async def get(self, email: str) -> User | None:
        record = await self._backend.get(_key(email))
        return None if record is None else await self._shown(record)

    @override
    async def find_by_entra_id(self, entra_user_id: str) -> User | None:
        check_id(entra_user_id, "entra_user_id")
        found = (await self._all(Eq("entraUserId", entra_user_id))).convert(User.from_record)
        if found.unreadable:  # who signs in is not decided by leaving out a user
            raise found.unreadable[0]
        first = min(found, key=lambda user: user.id, default=None)
        return None if first is None else await self._shown(first.record)

    @override
    async def list(self, *, by_last_login: bool = False) -> Page[User]:
        page = (await self._all()).convert(User.from_record)
        if any(_lacks_organization(user) for user in page):
            first = await self._memberships.first_scopes()
            page = page.convert(lambda user: _in_organization(user, first.get(user.id)))
        return _in_order(page, by_last_login=by_last_login)

    @override
    async def list_organization(self, organization_id: str, *, by_last_login: bool = False) -> Page[User]:
        scope = _organization_scope(organization_id)
        found = await self._memberships.of_organization(scope)
        emails = sorted({record.key.id for record in found} | ids_of(found.unreadable))
        page = (await self._by_emails(emails)).convert(User.from_record)
        members = tuple(_in_organization(user, scope) for user in page if user.user_type is UserType.ORG)
        return _in_order(Page(members, None, (*page.unreadable, *found.unreadable)), by_last_login=by_last_login)

    @override
    async def update(
        self,
        email: str,
        *,
        display_name: str | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        entra_user_id: str | Unset | None = UNSET,
        last_entra_id_sync: datetime | Unset | None = UNSET,
        etag: str | None = None,
    ) -> User:
        given: dict[str, Any] = {
            "display_name": display_name,
            "is_active": is_active,
            "entra_user_id": entra_user_id,
            "last_entra_id_sync": last_entra_id_sync,
        }
        fields = {name: value for name, value in given.items() if value is not UNSET}
        _check_fields(fields)
        if fields.get("last_entra_id_sync") is not None:
            fields["last_entra_id_sync"] = utc(last_entra_id_sync, "last_entra_id_sync")

        def change(record: Record) -> Record | None:
            return record.with_body(User.from_record(record).changed(**fields)) if fields else None

        return await self._change(email, change, etag)

    @override
    async def promote(self, email: str, *, etag: str | None = None) -> User:
        promoted = {"userType": UserType.PLATFORM.value, "isPlatformAdmin": True, "organizationId": None}
        user = await self._change(email, lambda record: _with(record, promoted), etag)
        await self._memberships.end_all(email)
        return user

    @override
    async def demote(self, email: str, organization_id: str, *, demoted_by: str = "system", etag: str | None = None) -> User:
        key = _key(email)
        scope = _organization_scope(organization_id)
        check_id(demoted_by, "demoted_by")
        stored = await read(self._backend, key)
        if etag is not None:
            check_state(stored, Etag.parse(etag))
        if User.from_record(stored).user_type is UserType.PLATFORM:
            await self._memberships.end_all(email, but=scope)
        demoted = {"userType": UserType.ORG.value, "isPlatformAdmin": False, "organizationId": organization_id}
        _, is_new = await self._memberships.add(email, scope, demoted_by)
        try:
            changed = await change_record(self._backend, key, lambda record: _with(record, demoted), known=stored, etag=etag)
        except (DocumentNotFoundError, PreconditionFailedError):
            if is_new:
                await self._memberships.end(email, scope)
            raise
        return User.from_record(changed.record)

    @override
    async def rename(self, email: str, new_email: str) -> User:
        if email == new_email:
            raise InvalidRequestError("new_email: equals the present one")
        check_email(new_email, "new_email")
        old, new = _key(email), _key(new_email)
        record = await rename_user(self._backend, self._memberships, old, new)
        return await self._shown(record)

    @override
    async def record_login(self, email: str, *, at: datetime | None = None) -> User:
        moment = self._clock() if at is None else utc(at, "at")

        def change(record: Record) -> Record | None:
            user = User.from_record(record)
            if user.last_login is not None and user.last_login >= moment:
                return None
            return record.with_body(user.changed(last_login=moment))

        return await self._change(email, change, None)

    @override
    async def any_exist(self) -> bool:
        page = await self._backend.query(Query("user", GLOBAL, limit=1, first_found=True))
        return bool(page.items or page.unreadable)

    @override
    async def delete(self, email: str, *, etag: str | None = None) -> bool:
        key = _key(email)
        expected = None if etag is None else Etag.parse(etag)
        if expected is not None:
            stored, _ = await readable_part(self._backend, key)
            if stored is None:
                return False
            check_state(stored, expected)
        await self._memberships.end_all(email)
        return await self._backend.delete(key, expected=expected) is not None

    @override
    async def assign(self, email: str, organization_id: str, *, created_by: str) -> Membership:
        key = _key(email)
        scope = _organization_scope(organization_id)
        check_id(created_by, "created_by")
        stored = await read(self._backend, key)
        if User.from_record(stored).user_type is UserType.PLATFORM:
            raise InvalidRequestError(f"{key}: a PLATFORM user belongs to no organization; demote the user first")
        membership, _ = await self._memberships.add(email, scope, created_by)
        if stored.body["organizationId"] is None:
            await self._move_organization(stored, None, await self._memberships.scopes(email))
        return Membership.from_record(membership)

    @override
    async def unassign(self, email: str, organization_id: str) -> bool:
        key = _key(email)
        scope = _organization_scope(organization_id)
        stored = await self._backend.get(key)
        if stored is not None and stored.body["organizationId"] == organization_id:
            others = [one for one in await self._memberships.scopes(email) if one != scope]
            await self._move_organization(stored, organization_id, others)
        return await self._memberships.end(email, scope)

    @override
    async def memberships(self, email: str) -> Page[Membership]:
        key = _key(email)
        (user, _), records = await together(lambda: readable_part(self._backend, key), lambda: self._memberships.of_user(email))
        if user is not None and _is_platform(user):
            return Page(())
        return records.convert(Membership.from_record)

    @override
    async def members(self, organization_id: str) -> Page[Membership]:
        records = await self._memberships.of_organization(_organization_scope(organization_id))
        emails = [record.key.id for record in records]
        platform = await self._by_emails(emails, Eq("userType", UserType.PLATFORM.value))
        hidden = {user.key.id for user in platform}
        kept = tuple(record for record in records if record.key.id not in hidden)
        return Page(kept, None, (*records.unreadable, *platform.unreadable)).convert(Membership.from_record)

    async def _all(self, *filters: Filter) -> Page[Record]:
        return await all_records(self._backend, "user", GLOBAL, *filters)

    async def _by_emails(self, emails: Sequence[str], *filters: Filter) -> Page[Record]:
        chunks = [emails[start : start + MAX_FILTER_VALUES] for start in range(0, len(emails), MAX_FILTER_VALUES)]
        return joined(await for_each(lambda chunk: self._all(In(ID, tuple(chunk)), *filters), chunks))

    async def _change(self, email: str, change: Change, etag: str | None) -> User:
        return await self._shown((await change_record(self._backend, _key(email), change, etag=etag)).record)

    async def _shown(self, record: Record) -> User:
        """Return the model; users of the old application show the first organization that they belong to."""
        user = User.from_record(record)
        if not _lacks_organization(user):
            return user
        return _in_organization(user, next(iter(await self._memberships.scopes(user.id)), None))

    async def _create_member(self, record: Record, organization: Scope, created_by: str) -> Record:
        """Store the membership, then the user; who turns out to exist already gets no membership by it."""
        if (await readable_part(self._backend, record.key))[0] is not None:
            raise DocumentExistsError(f"{record.key} exists already", operation="create", key=str(record.key))
        _, is_new = await self._memberships.add(record.key.id, organization, created_by)
        try:
            return await self._backend.create(record)
        except DocumentExistsError:
            winner = await self._backend.get(record.key)
            if is_new and (winner is None or winner.body["organizationId"] != organization.organization_id):
                await self._memberships.end(record.key.id, organization)
            raise

    async def _move_organization(self, known: Record, left: str | None, scopes: Sequence[Scope]) -> None:
        """Show the first of *scopes* as the user's organization, if it is still *left*."""
        shown = next((scope.organization_id for scope in scopes), None)

        def change(record: Record) -> Record | None:
            is_affected = record.body["organizationId"] == left and not _is_platform(record)
            return _with(record, {"organizationId": shown}) if is_affected else None

        with suppress(DocumentNotFoundError):
            await change_record(self._backend, known.key, change, known=known)


def _key(email: str) -> Key:
    check_id(email, "email")
    return Key("user", GLOBAL, email)


def _organization_scope(organization_id: str) -> Scope:
    check_id(organization_id, "organization_id")
    if not is_organization_id(organization_id):
        raise InvalidKeyError(f"organization_id {organization_id!r}: 1 to 36 letters, digits or dashes, and no reserved word")
    return Scope.organization(organization_id)


def _check_fields(fields: Mapping[str, object]) -> None:
    if "display_name" in fields:
        check_name(fields["display_name"], "display_name")
    if "is_active" in fields:
        check_flag(fields["is_active"], "is_active")
    if fields.get("entra_user_id") is not None:
        check_id(fields["entra_user_id"], "entra_user_id")


def _with(record: Record, values: Body) -> Record | None:
    """Return the record with *values*, or None if it has them."""
    body = {**record.body, **values}
    return None if body == record.body else record.with_body(body)


def _is_platform(record: Record) -> bool:
    return bool(record.body["userType"] == UserType.PLATFORM.value)


def _lacks_organization(user: User) -> bool:
    return user.user_type is UserType.ORG and user.scope == GLOBAL


def _in_organization(user: User, organization: Scope | None) -> User:
    """Return the user as one of *organization*, if the record itself names none."""
    if organization is None or not _lacks_organization(user):
        return user
    return user.model_copy(update={"scope": organization})


def _in_order(page: Page[User], *, by_last_login: bool) -> Page[User]:
    if not by_last_login:
        return ordered(page, key=lambda user: (user.display_name, user.id))
    by_id = ordered(page, key=lambda user: user.id)
    return ordered(by_id, key=lambda user: user.last_login or _NEVER_LOGGED_IN, reverse=True)
