"""Entities ``user:``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import BOOLEAN, TEXT, TIME, Column, Reading, readable_columns, since
from bifrost_store.backends.table.escaping import escape
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.places import KeyRange
from bifrost_store.core.query import ID, Filter, In
from bifrost_store.core.record import Body, Key
from bifrost_store.core.scope import Scope
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
    def read_body(self, key: Key, row: Row, *, reading: Reading) -> Body:
        body = super().read_body(key, row, reading=reading)
        named = {
            **body,
            "email": body["email"] if body["email"] is not None else key.id,
            "displayName": body["displayName"] if body["displayName"] is not None else key.id.partition("@")[0],
        }
        if reading is not Reading.LENIENT:
            return named
        return since({**named, "isPlatformAdmin": named["isPlatformAdmin"] and not self.contradiction(row)}, "lastLogin")

    @override
    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        """Those of the users of an organization are asked for by the hundred, in order, and lie between the first and the last."""
        (whole,) = super().ranges(scope, filters)
        for condition in filters:
            if isinstance(condition, In) and condition.field == ID:
                # Keys are in the order of their UTF-16 units; none of their characters comes before the blank.
                keys = sorted((self.prefix + escape(str(email)) for email in condition.values), key=_utf_16)
                return [replace(whole, lo=keys[0], hi=keys[-1] + " ")]
        return [whole]

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


def _utf_16(key: str) -> bytes:
    return key.encode("utf-16-be")
