"""The tenant boundary."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from typing_extensions import override

from bifrost_store.errors import InvalidKeyError

_ORGANIZATION_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
_RESERVED = {"GLOBAL", "SYSTEM"}
_PREFIX = "org-"


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Whose data it is: `GLOBAL`, or ``org-<organization id>`` (`Scope.organization`). `SYSTEM` is no tenant's.

    Attributes:
        value: The text form, as Cosmos DB's partition key holds it.
    """

    value: str

    def __post_init__(self) -> None:
        if self.value in _RESERVED:
            return
        identifier = self.value.removeprefix(_PREFIX)
        if not self.value.startswith(_PREFIX) or not is_organization_id(identifier):
            raise InvalidKeyError(
                f"scope {self.value!r}: expected GLOBAL or org-<organization id>, the id being 1 to 36 letters, digits or dashes"
            )

    @classmethod
    def organization(cls, organization_id: str) -> Scope:
        """Return the scope of one organization.

        Raises:
            InvalidKeyError: *organization_id* is not 1 to 36 letters, digits or dashes, or is a reserved word.
        """
        return cls(_PREFIX + organization_id)

    @classmethod
    def of(cls, organization_id: str | None) -> Scope:
        """Return the organization's scope, or GLOBAL for None: the application's ``org_id`` argument."""
        return GLOBAL if organization_id is None else cls.organization(organization_id)

    @staticmethod
    def from_partition_key(partition_key: str) -> Scope:
        """Return the scope of a partition of today's tables: ``GLOBAL``, ``SYSTEM`` or the bare organization id."""
        return scope_named(partition_key if partition_key in _RESERVED else _PREFIX + partition_key)

    @property
    def organization_id(self) -> str | None:
        """The organization's id, or None for GLOBAL and SYSTEM."""
        return None if self.value in _RESERVED else self.value.removeprefix(_PREFIX)

    @property
    def partition_key(self) -> str:
        """The partition key of today's tables."""
        return self.organization_id or self.value

    @override
    def __str__(self) -> str:
        return self.value


def is_organization_id(text: str) -> bool:
    """Return whether *text* can be an organization's id."""
    return _ORGANIZATION_ID.fullmatch(text) is not None and text not in _RESERVED


@lru_cache(maxsize=4096)
def scope_named(text: str) -> Scope:
    """Return the scope with this text form, as `Scope` does; the same object again for what many records name.

    Raises:
        InvalidKeyError: There is none.
    """
    return Scope(text)


GLOBAL: Final = Scope("GLOBAL")
SYSTEM: Final = Scope("SYSTEM")
