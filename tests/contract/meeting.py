"""What the writes of a handle meet: the faults of the contract, one after the other, between the SDK and the service."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import AioHttpTransport

from bifrost_store.testing.fault_proxy import FaultProxy, Late, Reaction, SeenRequest
from bifrost_store.testing.harness import PASSING_FAULTS, Fault

OF_CONNECTIONS: Final = frozenset({Fault.UNREACHABLE, Fault.ANSWER_LATE})
"""Faults that no answer in the service's place can show."""


@asynccontextmanager
async def meeting(proxy: FaultProxy, fault: Fault, then: Fault | None, reactions: Mapping[Fault, Reaction]) -> AsyncIterator[None]:
    """Let the first write through *proxy* meet *fault*, and all others *then*; see `StoreUnderTest.open_broken`."""
    later = then or (None if fault in PASSING_FAULTS else fault)
    late = Late()
    with ExitStack() as stack:
        for one, skip in ((fault, 0), (later, 1)):
            if one is Fault.UNREACHABLE:
                stack.enter_context(_nobody_listens(proxy, skip=skip))
            elif one is not None:
                reaction = late if one is Fault.ANSWER_LATE else reactions[one]
                proxy.react(reaction, times=None if skip else 1)
        yield
    for request in late.kept:
        await proxy.deliver(request)


@contextmanager
def _nobody_listens(proxy: FaultProxy, *, skip: int = 0) -> Iterator[None]:
    """Refuse the connection of every write to *proxy* but the first *skip*, as aiohttp and the SDK tell it."""
    send, left = AioHttpTransport.send, skip
    where = urlsplit(proxy.url)
    key = ConnectionKey(where.hostname or "", where.port, False, True, None, None, None)

    async def refused(transport: Any, request: Any, **options: Any) -> Any:
        nonlocal left
        if request.url.startswith(proxy.url) and SeenRequest(request.method, request.url, b"", request.headers).is_write:
            if left == 0:
                cause = ClientConnectorError(key, OSError(errno.ECONNREFUSED, "refused"))
                raise ServiceRequestError(cause, error=cause)
            left -= 1
        return await send(transport, request, **options)

    with patch.object(AioHttpTransport, "send", refused):
        yield
