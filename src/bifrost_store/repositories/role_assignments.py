"""Who and what has a role: one record per role and user, or role and form, in the role's scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.operations import MAX_BATCH_OPERATIONS, Create, Delete
from bifrost_store.core.page import Page
from bifrost_store.core.query import Eq, In
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import RoleForm, RoleUser
from bifrost_store.documents.role import assignment_id
from bifrost_store.errors import CorruptDocumentError, DocumentExistsError
from bifrost_store.repositories.changes import create_or_mend
from bifrost_store.repositories.reading import all_records, joined

A = TypeVar("A", RoleUser, RoleForm)

MAX_FILTER_VALUES = 100
"""Role ids in one query, as the waist takes them."""

RoleKey = tuple[Scope, str]
"""A role: its scope and id."""


class Assignments(Generic[A]):
    """Reads and writes one kind of assignment for the repositories of roles and forms. Every step is safe to repeat.

    Args:
        document: `RoleUser` or `RoleForm`.
        member: The field that names the other side: ``userId`` or ``formId``.
    """

    def __init__(self, backend: Backend, document: type[A], member: str, *, clock: Clock) -> None:
        self._backend = backend
        self._document: type[A] = document
        self._kind = document.spec.kind
        self._member = member
        self._clock = clock

    async def add(self, role: RoleKey, members: Sequence[str], assigned_by: str) -> Page[A]:
        """Return the assignments of *role* to *members*, made where they are missing, in order and 32 at a time."""
        more = {"roleId": role[1], "assignedAt": format_time(self._clock()), "assignedBy": assigned_by}
        records = [Record(self._key(role, member), {**more, self._member: member}) for member in members]
        stored: list[Record] = []
        for chunk in _chunks(records, MAX_BATCH_OPERATIONS):
            stored += await self._add_together(chunk)
        return Page(tuple(stored)).convert(self._document.from_record)

    async def remove(self, role: RoleKey, members: Sequence[str]) -> int:
        """Delete the assignments of *role* to *members*; return how many there were."""
        count = 0
        for chunk in _chunks([self._key(role, member) for member in members], MAX_BATCH_OPERATIONS):
            count += sum(map(bool, await self._backend.batch([Delete(key) for key in chunk])))
        return count

    async def of_member(self, scope: Scope, member: str) -> Page[A]:
        """Return the assignments of a user or form to roles of *scope* and of GLOBAL, in no order."""
        scopes = [scope] if scope == GLOBAL else [scope, GLOBAL]
        pages = await for_each(lambda one: all_records(self._backend, self._kind, one, Eq(self._member, member)), scopes)
        return joined(pages).convert(self._document.from_record)

    async def of_roles(self, roles: Sequence[RoleKey]) -> Page[A]:
        """Return the assignments of *roles*, in no order."""
        queries = [
            (scope, chunk)
            for scope in sorted({scope for scope, _ in roles})
            for chunk in _chunks(sorted({role_id for one, role_id in roles if one == scope}), MAX_FILTER_VALUES)
        ]
        pages = await for_each(lambda one: all_records(self._backend, self._kind, one[0], In("roleId", tuple(one[1]))), queries)
        return joined(pages).convert(self._document.from_record)

    async def _add_together(self, records: Sequence[Record]) -> list[Record]:
        try:
            results = await self._backend.batch([Create(record) for record in records])
        except DocumentExistsError:
            return [await self._add_one(record) for record in records]
        return [result for result in results if isinstance(result, Record)]

    async def _add_one(self, record: Record) -> Record:
        """Return the assignment, new or as it is, whoever else assigns or unassigns meanwhile."""
        return (await create_or_mend(self._backend, record, self._document))[0]

    def _key(self, role: RoleKey, member: str) -> Key:
        return Key(self._kind, role[0], assignment_id(role[1], member))


def role_of(assignment: RoleUser | RoleForm) -> RoleKey:
    """Return the role that *assignment* gives."""
    return assignment.scope, assignment.role_id


def named_roles(unreadable: Sequence[CorruptDocumentError]) -> dict[RoleKey, CorruptDocumentError] | None:
    """Return the roles that assignments give which cannot be read, by their keys; None if one does not tell its role."""
    roles: dict[RoleKey, CorruptDocumentError] = {}
    for error in unreadable:
        if error.document is None:
            return None
        _, scope, id_ = error.document
        roles[Scope(scope), id_.partition(":")[0]] = error
    return roles


def _chunks(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
