"""SignalR for Python: a hub for any ASGI application, and a client of Azure SignalR Service's REST interface.

It stands alone: nothing here knows the rest of bifrost_store. It needs the extra `realtime`.
"""

from __future__ import annotations

try:
    import aiohttp as _aiohttp
    import jwt as _jwt
    import starlette as _starlette
    import uvicorn as _uvicorn
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error.name} is missing; pip install 'bifrost-store[realtime]'", name=error.name) from None

from bifrost_store.signalr.azure import AzureSignalR
from bifrost_store.signalr.connection import Connection
from bifrost_store.signalr.counters import Counters, Reason
from bifrost_store.signalr.errors import (
    AccessDeniedError,
    ConnectionNotFoundError,
    HubError,
    InvalidMessageError,
    InvocationError,
    LimitReachedError,
    MessageTooLargeError,
    SignalRError,
    ThrottledError,
    UnavailableError,
)
from bifrost_store.signalr.hub import Hub, Principal
from bifrost_store.signalr.limits import Limits
from bifrost_store.signalr.sender import Negotiation, Sender
from bifrost_store.signalr.server import Server
from bifrost_store.signalr.service import LocalService

__all__ = [
    "AccessDeniedError",
    "AzureSignalR",
    "Connection",
    "ConnectionNotFoundError",
    "Counters",
    "Hub",
    "HubError",
    "InvalidMessageError",
    "InvocationError",
    "LimitReachedError",
    "Limits",
    "LocalService",
    "MessageTooLargeError",
    "Negotiation",
    "Principal",
    "Reason",
    "Sender",
    "Server",
    "SignalRError",
    "ThrottledError",
    "UnavailableError",
]

del _aiohttp, _jwt, _starlette, _uvicorn
