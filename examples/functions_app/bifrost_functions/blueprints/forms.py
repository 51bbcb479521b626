"""Forms: admins keep them, users see and submit those that they may."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import deleted, document, endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.refusals import forbidden, not_found
from bifrost_store import Form

blueprint = func.Blueprint()
_CHANGEABLE = (
    "name description linkedWorkflow formSchema accessLevel launchWorkflowId allowedQueryParams defaultLaunchParams".split()
)


@endpoint(blueprint, "GET", "forms")
async def list_forms(call: Call) -> func.HttpResponse:
    """What the caller sees of the scope's forms and GLOBAL's."""
    return items(await call.store.forms.visible_to(call.scope, call.user_id, is_platform_admin=call.is_admin))


@endpoint(blueprint, "POST", "forms")
async def create_form(call: Call) -> func.HttpResponse:
    """A new form in the scope."""
    call.demand_admin()
    fields = call.body(required=["name", "linkedWorkflow", "formSchema"], optional=_CHANGEABLE)
    return document(await call.store.forms.create(call.scope, **fields, created_by=call.user_id), 201)


@endpoint(blueprint, "GET", "forms/{formId}")
async def get_form(call: Call) -> func.HttpResponse:
    """One of them."""
    return document(await _visible(call))


@endpoint(blueprint, "PATCH", "forms/{formId}")
async def update_form(call: Call) -> func.HttpResponse:
    """Change what the body names; a form of GLOBAL for everybody."""
    call.demand_admin()
    form = await _visible(call)
    fields = call.body(optional=[*_CHANGEABLE, "isActive"])
    return document(await call.store.forms.update(form.scope, form.id, **fields, etag=call.etag))


@endpoint(blueprint, "DELETE", "forms/{formId}")
async def delete_form(call: Call) -> func.HttpResponse:
    """Take it out of use, or with ``hard=true`` delete it."""
    call.demand_admin()
    form = await _visible(call)
    if call.flag("hard", default=False):
        return deleted(await call.store.forms.delete(form.scope, form.id, etag=call.etag), "the form")
    return document(await call.store.forms.deactivate(form.scope, form.id, etag=call.etag))


@endpoint(blueprint, "GET", "forms/{formId}/roles")
async def get_form_roles(call: Call) -> func.HttpResponse:
    """Ids of its roles in the organization and in GLOBAL."""
    call.demand_admin()
    return items(await call.store.roles.of_form(call.scope, call.path("formId")))


@endpoint(blueprint, "POST", "forms/{formId}/submit")
async def submit_form(call: Call) -> func.HttpResponse:
    """Start the form's workflow with the body's ``input``."""
    form = await _visible(call)
    if not form.is_active:
        raise forbidden("the form is out of use")
    run = await call.store.executions.create(
        call.scope,
        workflow_name=form.linked_workflow,
        form_id=form.id,
        executed_by=call.user_id,
        executed_by_name=call.user_name,
        input_data=call.body(required=["input"])["input"],
    )
    return document(run, 202)


async def _visible(call: Call) -> Form:
    form_id = call.path("formId")
    form = await call.store.forms.get(call.scope, form_id)
    if form is None:
        raise not_found("the form")
    if not call.is_admin and not await call.store.forms.can_view(call.scope, call.user_id, form_id):
        raise forbidden("you have no role that opens this form")
    return form
