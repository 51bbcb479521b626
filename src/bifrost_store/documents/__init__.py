"""One pydantic model and its `DocumentSpec` per kind of document."""

from __future__ import annotations

from bifrost_store.core.spec import Specs
from bifrost_store.documents.api_key import ApiKey
from bifrost_store.documents.audit_event import AuditEvent, AuditEventType
from bifrost_store.documents.base import Document
from bifrost_store.documents.branding import Branding, LogoShape
from bifrost_store.documents.config import Config, ConfigType
from bifrost_store.documents.execution import LIVE_STATUSES, Execution, ExecutionStatus
from bifrost_store.documents.form import AccessLevel, Form
from bifrost_store.documents.integration import Integration
from bifrost_store.documents.internal import CONTROL, FEED_DEAD_LETTER, FEED_LEASE, INTERNAL_SPECS, JOURNAL, LEASE
from bifrost_store.documents.job_status import JobOutcome, JobStatus, JobTrigger
from bifrost_store.documents.legacy_row import LegacyRow
from bifrost_store.documents.metrics import PeriodMetrics, RunCounts
from bifrost_store.documents.oauth_connection import OAuthConnection, OAuthFlowType, OAuthStatus
from bifrost_store.documents.organization import Organization
from bifrost_store.documents.role import Role, RoleForm, RoleUser
from bifrost_store.documents.schedule import Schedule
from bifrost_store.documents.user import Membership, User, UserType

DOCUMENT_TYPES: tuple[type[Document], ...] = (
    Organization,
    User,
    Membership,
    Role,
    RoleUser,
    RoleForm,
    Form,
    Config,
    OAuthConnection,
    Integration,
    Branding,
    ApiKey,
    Schedule,
    JobStatus,
    AuditEvent,
    Execution,
    PeriodMetrics,
    LegacyRow,
)

SPECS: Specs = {spec.kind: spec for spec in (*(document.spec for document in DOCUMENT_TYPES), *INTERNAL_SPECS)}
"""Every kind that a store keeps, by name: the documents, and the library's own."""

__all__ = [
    "CONTROL",
    "DOCUMENT_TYPES",
    "FEED_DEAD_LETTER",
    "FEED_LEASE",
    "JOURNAL",
    "LEASE",
    "LIVE_STATUSES",
    "SPECS",
    "AccessLevel",
    "ApiKey",
    "AuditEvent",
    "AuditEventType",
    "Branding",
    "Config",
    "ConfigType",
    "Document",
    "Execution",
    "ExecutionStatus",
    "Form",
    "Integration",
    "JobOutcome",
    "JobStatus",
    "JobTrigger",
    "LegacyRow",
    "LogoShape",
    "Membership",
    "OAuthConnection",
    "OAuthFlowType",
    "OAuthStatus",
    "Organization",
    "PeriodMetrics",
    "Role",
    "RoleForm",
    "RoleUser",
    "RunCounts",
    "Schedule",
    "User",
    "UserType",
]
