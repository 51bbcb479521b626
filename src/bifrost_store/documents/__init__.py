"""One pydantic model and its `DocumentSpec` per kind of document."""

from __future__ import annotations

from bifrost_store.core.spec import Specs
from bifrost_store.documents.base import Document
from bifrost_store.documents.config import Config, ConfigType
from bifrost_store.documents.execution import LIVE_STATUSES, Execution, ExecutionStatus
from bifrost_store.documents.legacy_row import LegacyRow
from bifrost_store.documents.organization import Organization
from bifrost_store.documents.user import Membership, User, UserType

DOCUMENT_TYPES: tuple[type[Document], ...] = (Organization, User, Membership, Config, Execution, LegacyRow)

SPECS: Specs = {document.spec.kind: document.spec for document in DOCUMENT_TYPES}
"""Every kind of document, by name."""

__all__ = [
    "DOCUMENT_TYPES",
    "LIVE_STATUSES",
    "SPECS",
    "Config",
    "ConfigType",
    "Document",
    "Execution",
    "ExecutionStatus",
    "LegacyRow",
    "Membership",
    "Organization",
    "User",
    "UserType",
]
