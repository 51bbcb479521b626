"""Which functions there are, by the settings."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions import opened, timers
from bifrost_functions.blueprints import ALL, signalr
from bifrost_functions.metrics import metrics_functions
from bifrost_functions.triggers import change_feed_triggers
from bifrost_store import StoreSettings


def blueprints(settings: StoreSettings) -> list[func.Blueprint]:
    """Return what is to be registered. With real time off nothing of it is there: no route, no trigger, no poll."""
    found = [*ALL, timers.blueprint]
    if opened.is_realtime(settings):
        found.append(signalr.blueprint)
        if settings.is_configured("cosmos"):
            found.append(change_feed_triggers(settings))
    if settings.metrics != "live":
        found.append(metrics_functions(settings))
    return found
