"""Files that come with forms."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, unquote

import azure.functions as func

from bifrost_functions.answers import as_json, endpoint, file
from bifrost_functions.call import Call
from bifrost_functions.refusals import bad_request, not_found
from bifrost_store import Upload

blueprint = func.Blueprint()


@endpoint(blueprint, "POST", "uploads")
async def save_upload(call: Call) -> func.HttpResponse:
    """Store the body as the file that ``X-File-Name`` (percent-encoded) names."""
    file_name = call.header("X-File-Name")
    if file_name is None:
        raise bad_request("the header X-File-Name is missing")
    content_type = call.header("Content-Type") or "application/octet-stream"
    return as_json(_shown(await call.store.uploads.save(unquote(file_name), call.request.get_body(), content_type)), 201)


@endpoint(blueprint, "GET", "uploads/{name}")
async def read_upload(call: Call) -> func.HttpResponse:
    """The file, to be saved and not shown: it may be anything."""
    call.demand_admin()
    found = await call.store.uploads.read(call.path("name"))
    if found is None:
        raise not_found("the file")
    name = quote(found.upload.file_name)
    return file(found.content, found.upload.content_type, {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"})


@endpoint(blueprint, "POST", "uploads/{name}/link")
async def link_upload(call: Call) -> func.HttpResponse:
    """Make an address that opens the file for ``minutes``; it stands in the header ``Location``."""
    call.demand_admin()
    minutes = call.body(required=["minutes"])["minutes"]
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 1 <= minutes <= 1440:
        raise bad_request("minutes: must be a whole number from 1 to 1440")
    link = await call.store.uploads.link(call.path("name"), valid_for=timedelta(minutes=minutes))
    headers = {"Location": link.url, "Cache-Control": "no-store"}
    return as_json({"expiresAt": link.expires_at.isoformat()}, 201, headers)


def _shown(upload: Upload) -> dict[str, object]:
    return {"name": upload.name, "fileName": upload.file_name, "contentType": upload.content_type, "size": upload.size}
