"""One file per area of the API."""

from __future__ import annotations

from bifrost_functions.blueprints import (
    api_keys,
    audit,
    branding,
    config,
    executions,
    forms,
    integrations,
    oauth,
    organizations,
    roles,
    schedules,
    uploads,
    users,
    workflows,
)

ALL = tuple(
    module.blueprint
    for module in (
        organizations,
        users,
        roles,
        forms,
        config,
        oauth,
        branding,
        uploads,
        integrations,
        api_keys,
        workflows,
        executions,
        schedules,
        audit,
    )
)
