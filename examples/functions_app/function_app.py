"""The entry of the Azure Functions worker: every endpoint and timer of the platform."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions import timers
from bifrost_functions.blueprints import ALL

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for blueprint in (*ALL, timers.blueprint):
    app.register_functions(blueprint)
