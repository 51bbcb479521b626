"""The domain rules, written once over the waist: one implementation of each Protocol of `bifrost_store.protocols`."""

from __future__ import annotations

from bifrost_store.repositories.api_keys import ApiKeyRepository
from bifrost_store.repositories.audit import AuditRepository
from bifrost_store.repositories.brandings import BrandingRepository
from bifrost_store.repositories.configs import ConfigRepository
from bifrost_store.repositories.executions.repository import ExecutionRepository
from bifrost_store.repositories.forms import FormRepository
from bifrost_store.repositories.integrations import IntegrationRepository
from bifrost_store.repositories.job_statuses import JobStatusRepository
from bifrost_store.repositories.legacy_rows import LegacyRowRepository
from bifrost_store.repositories.oauth_connections import OAuthConnectionRepository
from bifrost_store.repositories.organizations import OrganizationRepository
from bifrost_store.repositories.roles import RoleRepository
from bifrost_store.repositories.schedules import ScheduleRepository
from bifrost_store.repositories.uploads import UploadRepository
from bifrost_store.repositories.users import UserRepository

__all__ = [
    "ApiKeyRepository",
    "AuditRepository",
    "BrandingRepository",
    "ConfigRepository",
    "ExecutionRepository",
    "FormRepository",
    "IntegrationRepository",
    "JobStatusRepository",
    "LegacyRowRepository",
    "OAuthConnectionRepository",
    "OrganizationRepository",
    "RoleRepository",
    "ScheduleRepository",
    "UploadRepository",
    "UserRepository",
]
