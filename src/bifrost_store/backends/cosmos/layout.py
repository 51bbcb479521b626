"""The four containers as data: what `provisioning` makes, `infra/main.bicep` deploys, and documents rely on.

Sources of what the service does with it: "Indexing policies in Azure Cosmos DB" and "Time to live in Azure Cosmos DB",
Microsoft.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from bifrost_store.core.spec import FeedName
from bifrost_store.documents import SPECS

EVERYTHING: Final = "/*"
ETAG_PATH: Final = '/"_etag"/?'
"""The service leaves it out of every index, and says so in this spelling."""
KEPT_SECONDS: Final = 1_209_600
"""14 days: what the service gives a document that does not say itself how long it lives."""


@dataclass(frozen=True, slots=True)
class ContainerLayout:
    """One container.

    Attributes:
        name: In the database.
        partition_key: Path of the property whose value places a document.
        default_ttl: Seconds that a document lives without a ``ttl`` of its own; -1: for ever, None: all for ever, whatever
            they say.
        included: Paths that queries may filter or order by.
        excluded: Paths that are only ever read; the most precise path counts. One of the two lists holds ``/*``.
    """

    name: str
    partition_key: str
    default_ttl: int | None
    included: tuple[str, ...]
    excluded: tuple[str, ...]

    @property
    def key_definition(self) -> dict[str, Any]:
        """The partition key as the service stores it; version 2 hashes all of a key, version 1 its first 100 bytes."""
        return {"paths": [self.partition_key], "kind": "Hash", "version": 2}

    @property
    def indexing_policy(self) -> dict[str, Any]:
        """The policy as the service stores it."""
        return {
            "indexingMode": "consistent",
            "automatic": True,
            "includedPaths": [{"path": path} for path in self.included],
            "excludedPaths": [{"path": path} for path in (*self.excluded, ETAG_PATH)],
        }


def _payloads(feed: FeedName) -> list[str]:
    """Return the paths of what the kinds of *feed* never query, by kind."""
    fields = [field for kind, spec in sorted(SPECS.items()) if spec.feed == feed for field in spec.unindexed]
    return [f"/{field}" if field.endswith("/*") else f"/{field}/?" for field in fields]


_ENTITIES: Final = ContainerLayout(
    "entities",
    "/scope",
    -1,
    included=(EVERYTHING, "/meta/expiresAt/?"),
    excluded=("/meta/*", *_payloads("entities")),
)
_EXECUTIONS: Final = ContainerLayout(
    "executions",
    "/scope",
    KEPT_SECONDS,
    included=(
        "/scope/?",
        "/type/?",
        "/sortKey/?",
        "/status/?",
        "/workflowName/?",
        "/executedBy/?",
        "/formId/?",
        "/startedAt/?",
        "/completedAt/?",
        "/durationMs/?",
        "/meta/expiresAt/?",
    ),
    excluded=(EVERYTHING,),
)
_EXECUTION_DATA: Final = ContainerLayout(
    "execution_data",
    "/executionId",
    KEPT_SECONDS,
    included=("/executionId/?", "/type/?", "/timestamp/?", "/expiresAt/?"),
    excluded=(EVERYTHING,),
)
_LEASES: Final = ContainerLayout("leases", "/id", None, included=(), excluded=(EVERYTHING,))
"""Read and written by id alone."""

CONTAINERS: Final[Mapping[str, ContainerLayout]] = MappingProxyType(
    {container.name: container for container in (_ENTITIES, _EXECUTIONS, _EXECUTION_DATA, _LEASES)}
)
"""Every container, by name."""

CONTAINER_OF: Final[Mapping[FeedName, str]] = MappingProxyType(
    {"entities": _ENTITIES.name, "executions": _EXECUTIONS.name, "execution_data": _EXECUTION_DATA.name}
)
"""The container of each feed."""

ID_PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "organization": "org-",
        "user": "user-",
        "membership": "member-",
        "role": "role-",
        "form": "form-",
        "config": "config-",
        "oauth_connection": "oauth-",
        "api_key": "apikey-",
        "execution": "",
    }
)
"""What stands before a record's id in the document's, by kind; for other kinds it is the kind and ``-``."""
