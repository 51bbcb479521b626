"""The domain rules, written once over the waist: one implementation of each Protocol of `bifrost_store.protocols`."""

from __future__ import annotations

from bifrost_store.repositories.configs import ConfigRepository
from bifrost_store.repositories.executions import ExecutionRepository
from bifrost_store.repositories.legacy_rows import LegacyRowRepository
from bifrost_store.repositories.organizations import OrganizationRepository
from bifrost_store.repositories.users import UserRepository

__all__ = [
    "ConfigRepository",
    "ExecutionRepository",
    "LegacyRowRepository",
    "OrganizationRepository",
    "UserRepository",
]
