"""Typed, async repositories for a multi-tenant automation platform, equal on every backend."""

from __future__ import annotations

TYPE_CHECKING = False
"""What `typing.TYPE_CHECKING` is, without importing that."""

if TYPE_CHECKING:
    from typing import Any, Final

    from bifrost_store import errors
    from bifrost_store.blocking import BlockingStore, open_store_blocking
    from bifrost_store.core.page import Page
    from bifrost_store.core.scope import GLOBAL, Scope
    from bifrost_store.core.unset import UNSET
    from bifrost_store.core.usage import OperationUsage, UsageReport
    from bifrost_store.documents import (
        AccessLevel,
        ApiKey,
        AuditEvent,
        AuditEventType,
        Branding,
        Config,
        ConfigType,
        Execution,
        ExecutionStatus,
        Form,
        Integration,
        JobOutcome,
        JobStatus,
        JobTrigger,
        LegacyRow,
        LogoShape,
        Membership,
        OAuthConnection,
        OAuthFlowType,
        OAuthStatus,
        Organization,
        PeriodMetrics,
        Role,
        RoleForm,
        RoleUser,
        RunCounts,
        Schedule,
        User,
        UserType,
    )
    from bifrost_store.opening.store import open_store
    from bifrost_store.protocols import (
        Dashboard,
        DashboardPeriod,
        ExecutionFilter,
        ExecutionRef,
        ExecutionStatistics,
        ItemsPage,
        Level,
        Link,
        LogLine,
        Logo,
        MetricsComparison,
        MetricsDifference,
        MetricsReport,
        MetricsStatus,
        NewApiKey,
        OAuthConnectionRef,
        OAuthTokens,
        Recording,
        Result,
        State,
        Upload,
        UploadContent,
        Variables,
    )
    from bifrost_store.secrets.protocol import Secret, SecretStore
    from bifrost_store.settings import StoreSettings
    from bifrost_store.store import Store

__all__ = [
    "GLOBAL",
    "UNSET",
    "AccessLevel",
    "ApiKey",
    "AuditEvent",
    "AuditEventType",
    "BlockingStore",
    "Branding",
    "Config",
    "ConfigType",
    "Dashboard",
    "DashboardPeriod",
    "Execution",
    "ExecutionFilter",
    "ExecutionRef",
    "ExecutionStatistics",
    "ExecutionStatus",
    "Form",
    "Integration",
    "ItemsPage",
    "JobOutcome",
    "JobStatus",
    "JobTrigger",
    "LegacyRow",
    "Level",
    "Link",
    "LogLine",
    "Logo",
    "LogoShape",
    "Membership",
    "MetricsComparison",
    "MetricsDifference",
    "MetricsReport",
    "MetricsStatus",
    "NewApiKey",
    "OAuthConnection",
    "OAuthConnectionRef",
    "OAuthFlowType",
    "OAuthStatus",
    "OAuthTokens",
    "OperationUsage",
    "Organization",
    "Page",
    "PeriodMetrics",
    "Recording",
    "Result",
    "Role",
    "RoleForm",
    "RoleUser",
    "RunCounts",
    "Schedule",
    "Scope",
    "Secret",
    "SecretStore",
    "State",
    "Store",
    "StoreSettings",
    "Upload",
    "UploadContent",
    "UsageReport",
    "User",
    "UserType",
    "Variables",
    "errors",
    "open_store",
    "open_store_blocking",
]

_MODULES: Final = (
    "core.page",
    "core.scope",
    "core.unset",
    "core.usage",
    "settings",
    "secrets.protocol",
    "documents",
    "opening.store",
    "protocols",
    "blocking",
)
"""Where the names come from, the quick ones first."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: whoever imports one module of the package need not wait for all."""
    from importlib import import_module  # noqa: PLC0415 - nobody need wait for this either

    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - the same

        return globals().setdefault(name, version("bifrost-store"))
    if name == "errors":
        return import_module(f"{__name__}.errors")
    if name in __all__:
        for module in (import_module(f"{__name__}.{module}") for module in _MODULES):
            if name in vars(module):
                return globals().setdefault(name, vars(module)[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
