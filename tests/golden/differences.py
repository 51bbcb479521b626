"""Golden records that the library answers otherwise, by name, each with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Answer = Any


@dataclass(frozen=True, slots=True)
class Difference:
    """Why an answer differs, and what must hold between the old answer and ours all the same."""

    reason: str
    holds: Callable[[Answer, Answer], bool]


def _without_oauth(answer: Answer) -> Answer:
    if isinstance(answer, dict):
        return {key: _lower_case(value) for key, value in answer.items() if not key.startswith("oauth_")}
    return [shown for shown in answer if not shown["key"].startswith("oauth_")]


def _lower_case(value: Answer) -> Answer:
    if isinstance(value, dict):
        return {name: _lower_case(one) for name, one in value.items()}
    return "true" if value == "TRUE" else value


OAUTH_ROWS = Difference(
    "The old application listed the rows of OAuth connections as configuration. They are connections, and no configuration.",
    lambda old, ours: _without_oauth(old) == ours,
)
REFUSED = Difference(
    "Keys of OAuth rows are refused by name: no configuration can be read or written under them.",
    lambda old, ours: ours == "InvalidKeyError",
)
UPPER_CASE = Difference(
    "A stored `TRUE` is the boolean true; the old application showed the text as it stood.",
    lambda old, ours: [_lower_case(shown) for shown in _without_oauth(old)] == ours,
)
ORGANIZATION_UNSEEN = Difference(
    "The old handler looked in GLOBAL alone and never found an organization's execution (quirk 7).",
    lambda old, ours: old == [None, "NotFound"] and ours[1] is None,
)
OWNER_DENIED = Difference(
    "The old handler denied every caller who is no admin, the run's own starter included (quirk 7).",
    lambda old, ours: old == [None, "Forbidden"] and ours[1] is None,
)
PREFIX_LEAK = Difference(
    "The old scan also caught executions of users whose id merely begins with the wanted one (quirk 1).",
    lambda old, ours: set(ours) < set(old),
)
FILTERED_AFTER_PAGING = Difference(
    "The old handler filtered after it had cut the list, and so showed only a beginning (section 8).",
    lambda old, ours: len(old) < len(ours) and ours[: len(old)] == old,
)
STATISTICS = Difference(
    "The old statistics counted every organization whatever the scope, and showed failures in key order as recent (quirk 8). Ours "
    "are one scope's; added up over all scopes the counts agree.",
    lambda old, ours: {name: old[name] for name in ours} == ours,
)

_BY_REASON: dict[str, tuple[Difference, tuple[str, ...]]] = {
    "refused": (
        REFUSED,
        (
            'ConfigRepository.get_config {"fallback_to_global": true, "key": "oauth_HaloPSA_metadata", "scope": "GLOBAL"}',
            'ConfigRepository.get_config {"fallback_to_global": true, "key": "oauth_HaloPSA_metadata", "scope": "fdec65fe-7212-4737-b222-d7283ab5a383"}',
            'ConfigRepository.get_config {"fallback_to_global": false, "key": "oauth_HaloPSA_metadata", "scope": "fdec65fe-7212-4737-b222-d7283ab5a383"}',
            'ConfigRepository.get_config {"fallback_to_global": true, "key": "oauth_HaloPSA_metadata", "scope": "d4d49510-4513-49a4-9354-8b905e5c7474"}',
            'ConfigRepository.get_config {"fallback_to_global": false, "key": "oauth_HaloPSA_metadata", "scope": "d4d49510-4513-49a4-9354-8b905e5c7474"}',
            'ConfigRepository.get_config {"fallback_to_global": true, "key": "oauth_HaloPSA_metadata", "scope": "0a3bf4d9-c097-4e13-89a5-b1d8560d8297"}',
            'ConfigRepository.get_config {"fallback_to_global": false, "key": "oauth_HaloPSA_metadata", "scope": "0a3bf4d9-c097-4e13-89a5-b1d8560d8297"}',
            'ConfigRepository.get_config {"fallback_to_global": true, "key": "oauth_HaloPSA_metadata", "scope": "ab00ca3e-e989-4e77-b218-d06eec35bea1"}',
            'ConfigRepository.get_config {"fallback_to_global": false, "key": "oauth_HaloPSA_metadata", "scope": "ab00ca3e-e989-4e77-b218-d06eec35bea1"}',
        ),
    ),
    "oauth rows": (
        OAUTH_ROWS,
        (
            'ConfigRepository.list_config {"include_global": false, "scope": "GLOBAL"}',
            'ConfigRepository.list_config {"include_global": true, "scope": "GLOBAL"}',
            'middleware.load_config_for_partition {"partition_key": "GLOBAL"}',
            'ConfigRepository.list_config {"include_global": false, "scope": "fdec65fe-7212-4737-b222-d7283ab5a383"}',
            'ConfigRepository.list_config {"include_global": true, "scope": "fdec65fe-7212-4737-b222-d7283ab5a383"}',
            'middleware.load_config_for_partition {"partition_key": "fdec65fe-7212-4737-b222-d7283ab5a383"}',
            'ConfigRepository.list_config {"include_global": false, "scope": "d4d49510-4513-49a4-9354-8b905e5c7474"}',
            'ConfigRepository.list_config {"include_global": true, "scope": "d4d49510-4513-49a4-9354-8b905e5c7474"}',
            'middleware.load_config_for_partition {"partition_key": "d4d49510-4513-49a4-9354-8b905e5c7474"}',
            'ConfigRepository.list_config {"include_global": true, "scope": "0a3bf4d9-c097-4e13-89a5-b1d8560d8297"}',
            'middleware.load_config_for_partition {"partition_key": "0a3bf4d9-c097-4e13-89a5-b1d8560d8297"}',
            'ConfigRepository.list_config {"include_global": true, "scope": "ab00ca3e-e989-4e77-b218-d06eec35bea1"}',
        ),
    ),
    "upper case": (
        UPPER_CASE,
        ('ConfigRepository.list_config {"include_global": false, "scope": "0a3bf4d9-c097-4e13-89a5-b1d8560d8297"}',),
    ),
    "organization unseen": (
        ORGANIZATION_UNSEEN,
        (
            'executions.get_execution_handler {"execution_id": "e3966fac-9ac7-424d-8f56-36fffbea67b0", "is_platform_admin": true, "scope": "fdec65fe-7212-4737-b222-d7283ab5a383"}',
            'executions.get_execution_handler {"execution_id": "3e05b0c9-4488-4793-9c5d-48078eab5687", "is_platform_admin": true, "scope": "0a3bf4d9-c097-4e13-89a5-b1d8560d8297"}',
        ),
    ),
    "owner denied": (
        OWNER_DENIED,
        (
            'executions.get_execution_handler {"execution_id": "83b877ec-ab11-4501-95e7-1bb5a186e8e4", "is_platform_admin": false, "scope": "GLOBAL", "user_id": "9f86d081884c7d659a2feaa0c55ad015"}',
        ),
    ),
    "prefix leak": (
        PREFIX_LEAK,
        (
            'ExecutionRepository.list_executions_by_user {"limit": 50, "user_id": "system"}',
            'ExecutionRepository.list_executions_by_user {"limit": 1000, "user_id": "kim.lee@contoso.co"}',
            'ExecutionRepository.list_executions_by_user {"limit": 1000, "user_id": "system"}',
            'ExecutionRepository.list_executions_by_user_paged (all pages) {"results_per_page": 25, "user_id": "kim.lee@contoso.co"}',
        ),
    ),
    "filtered after paging": (
        FILTERED_AFTER_PAGING,
        (
            'executions.list_executions_handler {"is_platform_admin": true, "limit": 200, "scope": "GLOBAL", "workflow_name": "ticket_triage"}',
            'executions.list_executions_handler {"is_platform_admin": true, "limit": 100, "scope": "GLOBAL", "status": "Failed"}',
            'executions.list_executions_handler {"is_platform_admin": true, "limit": 40, "scope": "GLOBAL", "status": "completed"}',
            'executions.list_executions_handler {"is_platform_admin": true, "limit": 200, "scope": "fdec65fe-7212-4737-b222-d7283ab5a383", "workflow_name": "ticket_triage"}',
            'executions.list_executions_handler {"is_platform_admin": true, "limit": 100, "scope": "fdec65fe-7212-4737-b222-d7283ab5a383", "status": "Failed"}',
            'executions.list_executions_handler {"is_platform_admin": true, "limit": 40, "scope": "fdec65fe-7212-4737-b222-d7283ab5a383", "status": "completed"}',
        ),
    ),
    "statistics": (
        STATISTICS,
        (
            'metrics.get_execution_statistics {"days": 30, "now": "2025-11-20T12:00:00"}',
            'metrics.get_execution_statistics {"days": 7, "now": "2025-11-20T12:00:00"}',
            'metrics.get_execution_statistics {"days": 1, "now": "2025-11-20T12:00:00"}',
            'metrics.get_execution_statistics {"days": 45, "now": "2025-11-20T12:00:00"}',
            'metrics.get_execution_statistics {"days": 60, "now": "2025-11-20T12:00:00"}',
        ),
    ),
}

DIFFERENCES: dict[str, Difference] = {name: difference for difference, names in _BY_REASON.values() for name in names}
