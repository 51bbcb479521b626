"""The repositories as code that does not await calls them. Written by tools/blocking.py."""

from bifrost_store.blocking.protocols.api_keys import BlockingApiKeys
from bifrost_store.blocking.protocols.audit import BlockingAuditEvents
from bifrost_store.blocking.protocols.branding import BlockingBrandings
from bifrost_store.blocking.protocols.configs import BlockingConfigs
from bifrost_store.blocking.protocols.execution_data import BlockingExecutionItems, BlockingRecording
from bifrost_store.blocking.protocols.executions import BlockingExecutions
from bifrost_store.blocking.protocols.forms import BlockingForms
from bifrost_store.blocking.protocols.integrations import BlockingIntegrations
from bifrost_store.blocking.protocols.job_statuses import BlockingJobStatuses
from bifrost_store.blocking.protocols.legacy_rows import BlockingLegacyRows
from bifrost_store.blocking.protocols.metrics import BlockingMetrics
from bifrost_store.blocking.protocols.oauth_connections import BlockingOAuthConnections
from bifrost_store.blocking.protocols.organizations import BlockingOrganizations
from bifrost_store.blocking.protocols.roles import BlockingRoles
from bifrost_store.blocking.protocols.schedules import BlockingSchedules
from bifrost_store.blocking.protocols.uploads import BlockingUploads
from bifrost_store.blocking.protocols.users import BlockingUsers

__all__ = [
    "BlockingApiKeys",
    "BlockingAuditEvents",
    "BlockingBrandings",
    "BlockingConfigs",
    "BlockingExecutionItems",
    "BlockingExecutions",
    "BlockingForms",
    "BlockingIntegrations",
    "BlockingJobStatuses",
    "BlockingLegacyRows",
    "BlockingMetrics",
    "BlockingOAuthConnections",
    "BlockingOrganizations",
    "BlockingRecording",
    "BlockingRoles",
    "BlockingSchedules",
    "BlockingUploads",
    "BlockingUsers",
]
