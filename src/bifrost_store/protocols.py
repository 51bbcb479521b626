"""The repositories that handlers type against: one Protocol per kind of data.

Common to all methods:

* Errors are those of `bifrost_store.errors`. Bad arguments raise `InvalidRequestError` (`InvalidKeyError` for an id, scope or
  identifier) before anything is written. Any method may raise `BackendError`; writes may raise `OutcomeUnknownError`.
* ``get`` methods return None for what does not exist, was deleted or has expired, and raise `CorruptDocumentError` for what
  is there but cannot be read. Lists leave such documents out of the items and name them in `Page.unreadable`.
* ``etag`` arguments are optional preconditions: a document's ``etag`` as it was read. If the document has changed since,
  `PreconditionFailedError` is raised and nothing is written. Without one, a change is made to whatever is stored.
* Arguments that default to `UNSET` were "not given" and leave the field as it is; None sets it to null.
* Times are timezone-aware; a naive one is taken as UTC.
* Lists that are not paged return a `Page` without a continuation token.
"""

from __future__ import annotations

from bifrost_store.repository_protocols.api_keys import ApiKeys, NewApiKey
from bifrost_store.repository_protocols.audit import AuditEvents
from bifrost_store.repository_protocols.branding import Brandings, Logo
from bifrost_store.repository_protocols.configs import Configs
from bifrost_store.repository_protocols.execution_data import (
    ExecutionItems,
    Item,
    ItemsPage,
    Level,
    LogLine,
    Recording,
    State,
    Variables,
)
from bifrost_store.repository_protocols.executions import ExecutionFilter, ExecutionRef, Executions, ExecutionStatistics, Result
from bifrost_store.repository_protocols.forms import Forms
from bifrost_store.repository_protocols.integrations import Integrations
from bifrost_store.repository_protocols.job_statuses import JobStatuses
from bifrost_store.repository_protocols.legacy_rows import LegacyRows
from bifrost_store.repository_protocols.metrics import (
    Dashboard,
    DashboardPeriod,
    Metrics,
    MetricsComparison,
    MetricsDifference,
    MetricsReport,
    MetricsStatus,
    Window,
)
from bifrost_store.repository_protocols.oauth_connections import OAuthConnectionRef, OAuthConnections, OAuthTokens
from bifrost_store.repository_protocols.organizations import Organizations
from bifrost_store.repository_protocols.roles import Roles
from bifrost_store.repository_protocols.schedules import Schedules
from bifrost_store.repository_protocols.uploads import Link, Upload, UploadContent, Uploads
from bifrost_store.repository_protocols.users import Users

__all__ = [
    "ApiKeys",
    "AuditEvents",
    "Brandings",
    "Configs",
    "Dashboard",
    "DashboardPeriod",
    "ExecutionFilter",
    "ExecutionItems",
    "ExecutionRef",
    "ExecutionStatistics",
    "Executions",
    "Forms",
    "Integrations",
    "Item",
    "ItemsPage",
    "JobStatuses",
    "LegacyRows",
    "Level",
    "Link",
    "LogLine",
    "Logo",
    "Metrics",
    "MetricsComparison",
    "MetricsDifference",
    "MetricsReport",
    "MetricsStatus",
    "NewApiKey",
    "OAuthConnectionRef",
    "OAuthConnections",
    "OAuthTokens",
    "Organizations",
    "Recording",
    "Result",
    "Roles",
    "Schedules",
    "State",
    "Upload",
    "UploadContent",
    "Uploads",
    "Users",
    "Variables",
    "Window",
]
