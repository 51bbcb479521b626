"""The entry of the Azure Functions worker: every endpoint, timer and trigger of the platform."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.registered import blueprints
from bifrost_store import StoreSettings

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for blueprint in blueprints(StoreSettings.from_environment()):
    app.register_functions(blueprint)
