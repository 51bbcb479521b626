"""Real time: what happens to runs, told to those who watch, by SignalR."""

from bifrost_store.realtime.access import MayWatch, Principal, View, nobody, platform_rules
from bifrost_store.realtime.delivering import RUN_FEEDS, Delivery
from bifrost_store.realtime.grants import Grants
from bifrost_store.realtime.publishing import RunPublisher
from bifrost_store.realtime.triggers import TriggerDelivery
from bifrost_store.realtime.watchers import Watch, Watchers, WatchRefusedError, serve_watchers
from bifrost_store.realtime.watching import FeedWatch
from bifrost_store.repositories.execution_data.json_items import item_json, item_json_for

__all__ = [
    "RUN_FEEDS",
    "Delivery",
    "FeedWatch",
    "Grants",
    "MayWatch",
    "Principal",
    "RunPublisher",
    "TriggerDelivery",
    "View",
    "Watch",
    "WatchRefusedError",
    "Watchers",
    "item_json",
    "item_json_for",
    "nobody",
    "platform_rules",
    "serve_watchers",
]
