"""Typed, async repositories for a multi-tenant automation platform, equal on every backend."""

from __future__ import annotations

from bifrost_store import errors
from bifrost_store.core.page import Page
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.unset import UNSET
from bifrost_store.documents import (
    Config,
    ConfigType,
    Execution,
    ExecutionStatus,
    LegacyRow,
    Membership,
    Organization,
    User,
    UserType,
)
from bifrost_store.protocols import ExecutionFilter, ExecutionRef, ExecutionStatistics, Result
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store, open_store

__all__ = [
    "GLOBAL",
    "UNSET",
    "Config",
    "ConfigType",
    "Execution",
    "ExecutionFilter",
    "ExecutionRef",
    "ExecutionStatistics",
    "ExecutionStatus",
    "LegacyRow",
    "Membership",
    "Organization",
    "Page",
    "Result",
    "Scope",
    "Store",
    "StoreSettings",
    "User",
    "UserType",
    "errors",
    "open_store",
]
