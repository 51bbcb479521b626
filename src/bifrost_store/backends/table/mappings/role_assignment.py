"""Relationships ``userrole:`` and ``formrole:``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import TEXT, TIME, Column
from bifrost_store.backends.table.escaping import escape, unescape
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.role import RoleMapping
from bifrost_store.backends.table.mappings.stamps import SCOPE
from bifrost_store.backends.table.places import RELATIONSHIPS, Address, KeyRange, end_of
from bifrost_store.core.query import Eq, Filter
from bifrost_store.core.record import Body, Key
from bifrost_store.core.scope import Scope
from bifrost_store.documents import RoleForm, RoleUser
from bifrost_store.documents.role import assignment_id


class _AssignmentMapping(RowMapping):
    """An assignment is one row, whichever scope its role is in; where the row does not say, the role tells the scope.

    Attributes:
        member: Field that names the user or form.
    """

    table = RELATIONSHIPS
    member: ClassVar[str]

    @override
    def address(self, key: Key, sort_key: str) -> Address:
        role_id, _, member_id = key.id.partition(":")
        return Address(self.table, "GLOBAL", f"{self.prefix}{escape(member_id)}:{role_id}")

    @override
    def home(self, row_key: str) -> str | None:
        if not row_key.startswith(self.prefix):
            return None
        return RoleMapping.prefix + row_key.rpartition(":")[2]

    @override
    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        scope = columns.get(SCOPE)
        if partition_key != "GLOBAL" or not row_key.startswith(self.prefix) or not isinstance(scope, str):
            return None
        member_id, _, role_id = row_key.removeprefix(self.prefix).rpartition(":")
        return self.checked_key(scope, assignment_id(role_id, unescape(member_id)))

    @override
    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        for condition in filters:
            if isinstance(condition, Eq) and condition.field == self.member:
                return [_range(f"{self.prefix}{escape(str(condition.value))}:")]
        return [_range(self.prefix)]

    @override
    def key_fields(self, key: Key) -> Body:
        role_id, _, member_id = key.id.partition(":")
        return {"roleId": role_id, self.member: member_id}


class RoleUserMapping(_AssignmentMapping):
    """A user's role: a row under the user's id, so that a user's roles are one range."""

    spec = RoleUser.spec
    prefix = "userrole:"
    member = "userId"
    columns = (
        Column("userId", "UserId", TEXT, repeats_key=True),
        Column("roleId", "RoleId", TEXT, repeats_key=True),
        Column("assignedAt", "AssignedAt", TIME),
        Column("assignedBy", "AssignedBy", TEXT),
    )


class RoleFormMapping(_AssignmentMapping):
    """A form's role: a row under the form's id."""

    spec = RoleForm.spec
    prefix = "formrole:"
    member = "formId"
    columns = (
        Column("formId", "FormId", TEXT, repeats_key=True),
        Column("roleId", "RoleId", TEXT, repeats_key=True),
        Column("assignedAt", "AssignedAt", TIME),
        Column("assignedBy", "AssignedBy", TEXT),
    )


def _range(prefix: str) -> KeyRange:
    return KeyRange("GLOBAL", prefix, end_of(prefix))
