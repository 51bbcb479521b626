"""Schedules of workflows, and how the platform's jobs went."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import deleted, document, endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.cron import next_run
from bifrost_functions.refusals import not_found
from bifrost_functions.timers import present_moment

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "schedules")
async def list_schedules(call: Call) -> func.HttpResponse:
    """What runs next first."""
    call.demand_admin()
    return items(await call.store.schedules.list())


@endpoint(blueprint, "PUT", "schedules/{workflowName}")
async def set_schedule(call: Call) -> func.HttpResponse:
    """Run a workflow as a cron expression says."""
    call.demand_admin()
    fields, workflow = call.body(required=["cronExpression"], optional=["description"]), call.path("workflowName")
    due = next_run(fields["cron_expression"], present_moment())
    if call.etag is None and await call.store.schedules.get(workflow) is None:
        return document(await call.store.schedules.create(workflow, **fields, next_run_at=due), 201)
    return document(await call.store.schedules.update(workflow, **fields, next_run_at=due, etag=call.etag))


@endpoint(blueprint, "GET", "schedules/{workflowName}")
async def get_schedule(call: Call) -> func.HttpResponse:
    """One of them."""
    call.demand_admin()
    found = await call.store.schedules.get(call.path("workflowName"))
    if found is None:
        raise not_found("the schedule")
    return document(found)


@endpoint(blueprint, "DELETE", "schedules/{workflowName}")
async def delete_schedule(call: Call) -> func.HttpResponse:
    """Run it no longer."""
    call.demand_admin()
    return deleted(await call.store.schedules.delete(call.path("workflowName"), etag=call.etag), "the schedule")


@endpoint(blueprint, "GET", "jobs")
async def list_jobs(call: Call) -> func.HttpResponse:
    """How each job went the last time."""
    call.demand_admin()
    return items(await call.store.job_statuses.list())
