"""Entities ``user:``."""

from __future__ import annotations

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import BOOLEAN, TEXT, TIME, Column, readable_columns, since
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.core.record import Body, Key
from bifrost_store.documents import User, UserType


class UserMapping(RowMapping):
    """A user is one row in GLOBAL; which organization to show is a column of ours."""

    spec = User.spec
    table = "Entities"
    prefix = "user:"
    may_contradict = True
    columns = (
        Column("email", "Email", TEXT),
        Column("displayName", "DisplayName", TEXT),
        Column("userType", "UserType", TEXT, default="ORG"),
        Column("isPlatformAdmin", "IsPlatformAdmin", BOOLEAN, default=False),
        Column("isActive", "IsActive", BOOLEAN, default=True),
        Column("createdAt", "CreatedAt", TIME, is_forgiven=True),
        Column("lastLogin", "LastLogin", TIME),
        Column("entraUserId", "EntraUserId", TEXT),
        Column("lastEntraIdSync", "LastEntraIdSync", TIME),
        Column("organizationId", "BsOrganizationId", TEXT),
    )

    @override
    def read_body(self, key: Key, row: Row, *, is_old: bool) -> Body:
        body = super().read_body(key, row, is_old=is_old)
        named = {
            **body,
            "email": body["email"] if body["email"] is not None else key.id,
            "displayName": body["displayName"] if body["displayName"] is not None else key.id.partition("@")[0],
        }
        if not is_old:
            return named
        return since({**named, "isPlatformAdmin": named["isPlatformAdmin"] and not self.contradiction(row)}, "lastLogin")

    @override
    def contradiction(self, row: Row) -> str | None:
        """An administrator who is no platform user, which nothing that creates users allows."""
        read = readable_columns(self.columns, row, {})
        if read.get("isPlatformAdmin") and read.get("userType") != UserType.PLATFORM:
            return "column IsPlatformAdmin: true, but UserType is not PLATFORM; read as no administrator"
        return None

    @override
    def distrust(self, body: Body) -> Body:
        """Forget the organization to show: the old application may have moved the user."""
        return {**body, "organizationId": None}
