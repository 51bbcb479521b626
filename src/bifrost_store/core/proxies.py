"""Whether the environment names a proxy, which the Azure SDKs otherwise look for on a thread before every request."""

from __future__ import annotations

from typing import Any
from urllib.request import getproxies


def transport_options() -> dict[str, Any]:
    """Return the options of azure-core's transport under which ``HTTPS_PROXY`` and its like are heeded, if there are any now."""
    return {} if getproxies() else {"use_env_settings": False}
