"""The feed of a store, or what to use where there is none."""

from __future__ import annotations

from bifrost_store.backends.feed import Feed
from bifrost_store.backends.protocol import Backend
from bifrost_store.errors import ConfigurationError


def feed_of(store: Backend) -> Feed:
    """Return the feed of *store*.

    Raises:
        ConfigurationError: It has none; the message says what to use instead.
    """
    feed = store.feed
    if feed is not None:
        return feed
    if store.name == "routed":
        raise ConfigurationError(
            "a feed belongs to one store, not to a route: pass the one to be followed, such as store.backend.backend('sqlite')"
        )
    raise ConfigurationError(
        f"the backend {store.name} has no change feed; follow a store of SQLite or Cosmos DB (commands follow the one that "
        "BIFROST_STORE_BACKEND names), or compare what scan() finds now with what it found before",
        backend=store.name,
    )
