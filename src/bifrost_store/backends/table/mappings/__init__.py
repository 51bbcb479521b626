"""Which rows hold which kind: one file per kind of today's layout."""

from __future__ import annotations

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.mappings.api_key import ApiKeyMapping
from bifrost_store.backends.table.mappings.audit_event import AuditEventMapping
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.branding import BrandingMapping
from bifrost_store.backends.table.mappings.config import ConfigMapping
from bifrost_store.backends.table.mappings.document import DocumentMapping
from bifrost_store.backends.table.mappings.execution import ExecutionMapping
from bifrost_store.backends.table.mappings.form import FormMapping
from bifrost_store.backends.table.mappings.integration import IntegrationMapping
from bifrost_store.backends.table.mappings.internal import InternalMapping
from bifrost_store.backends.table.mappings.job_status import JobStatusMapping
from bifrost_store.backends.table.mappings.legacy_row import LegacyRowMapping
from bifrost_store.backends.table.mappings.membership import MembershipMapping
from bifrost_store.backends.table.mappings.metrics import MetricsMapping
from bifrost_store.backends.table.mappings.oauth_connection import OAuthConnectionMapping
from bifrost_store.backends.table.mappings.organization import OrganizationMapping
from bifrost_store.backends.table.mappings.role import RoleMapping
from bifrost_store.backends.table.mappings.role_assignment import RoleFormMapping, RoleUserMapping
from bifrost_store.backends.table.mappings.schedule import ScheduleMapping
from bifrost_store.backends.table.mappings.user import UserMapping
from bifrost_store.core.record import Key
from bifrost_store.core.retention import Recorded
from bifrost_store.core.spec import DocumentSpec, Specs

_TODAY: tuple[RowMapping, ...] = (
    OrganizationMapping(),
    UserMapping(),
    MembershipMapping(),
    RoleMapping(),
    RoleUserMapping(),
    RoleFormMapping(),
    FormMapping(),
    ConfigMapping(),
    OAuthConnectionMapping(),
    IntegrationMapping(),
    BrandingMapping(),
    ApiKeyMapping(),
    ScheduleMapping(),
    JobStatusMapping(),
    AuditEventMapping(),
    MetricsMapping(),
    LegacyRowMapping(),
)


class Mappings:
    """The mapping of every kind, and which of them claims a row.

    Args:
        recorded: Tells the retention of executions that store no expiry.

    Attributes:
        index_prefixes: Of rows of Relationships that are copies for old code: never read to answer, never carried.
    """

    def __init__(self, specs: Specs, recorded: Recorded | None = None) -> None:
        today = {mapping.kind: mapping for mapping in (*_TODAY, ExecutionMapping(recorded))}
        self.by_kind = {kind: today.get(kind) or _stored_as_json(spec) for kind, spec in specs.items()}
        self.index_prefixes = tuple(prefix for mapping in self.by_kind.values() for prefix in mapping.index_prefixes)

    def key_of(self, table: str, partition_key: str, row_key: str, columns: Row) -> Key | None:
        """Return the key of the record that a row is, or is part of; None if no kind claims it."""
        for mapping in self.by_kind.values():
            if mapping.table == table:
                key = mapping.key_of(partition_key, row_key, columns)
                if key is not None:
                    return key
        return None

    def legacy_key(self, table: str, partition_key: str, row_key: str) -> Key:
        """Return the key under which an unclaimed row is carried."""
        return LegacyRowMapping().legacy_key(table, partition_key, row_key)


def _stored_as_json(spec: DocumentSpec) -> RowMapping:
    return InternalMapping(spec) if spec.is_internal else DocumentMapping(spec)


__all__ = ["Mappings", "RowMapping"]
