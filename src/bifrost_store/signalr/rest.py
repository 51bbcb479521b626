"""Requests to Azure SignalR Service: signed, tried again where that is right, and answered by this package's errors."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import stamina
from yarl import URL

from bifrost_store.signalr.account import Account
from bifrost_store.signalr.errors import (
    AccessDeniedError,
    ConnectionNotFoundError,
    InvalidMessageError,
    MessageTooLargeError,
    SignalRError,
    ThrottledError,
    UnavailableError,
)

_VERSION: Final = "2022-11-01"
_ATTEMPTS: Final = 3
_SHORTEST_WAIT_SECONDS: Final = 0.001
_UNAVAILABLE: Final = 503


class _NotReachedError(UnavailableError):
    """What was sent did surely not arrive."""


class RestClient:
    """Makes requests, on one event loop.

    Args:
        account: Where, and how they are signed.
        timeout_seconds: Of one request.
        max_wait_seconds: How long to wait where the service says so.
    """

    def __init__(self, account: Account, timeout_seconds: float, max_wait_seconds: float) -> None:
        self._account = account
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._max_wait_seconds = max_wait_seconds
        self._session: aiohttp.ClientSession | None = None
        self._session_loop: asyncio.AbstractEventLoop | None = None
        self._throttled_until = 0.0

    async def aclose(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self, method: str, path: str, query: Mapping[str, str], *, body: bytes | None, version: str | None, is_safe: bool
    ) -> Any:
        """Return what an answer holds, as JSON, or None.

        Args:
            method, path, query, body: Of the request; the path is quoted already.
            version: Of the interface.
            is_safe: Whether a request may arrive twice.

        Raises:
            SignalRError: One of its kinds, as the docstring of the package's errors tells.
        """
        url = self._account.endpoint + path

        def pause(error: Exception) -> bool | float:
            if isinstance(error, ThrottledError):
                wait = error.retry_after_seconds
                return True if wait is None else wait <= self._max_wait_seconds and max(wait, _SHORTEST_WAIT_SECONDS)
            return isinstance(error, UnavailableError) and (is_safe or isinstance(error, _NotReachedError))

        target = URL(f"{url}?{urlencode({**query, 'api-version': version or _VERSION})}", encoded=True)
        waits = {"wait_initial": 0.1, "wait_jitter": 0.1, "wait_max": 2.0}
        async for attempt in stamina.retry_context(on=pause, attempts=_ATTEMPTS, timeout=None, **waits):
            with attempt:
                return await self._try(method, url, target, body)
        raise AssertionError("unreachable")

    async def _try(self, method: str, url: str, target: URL, body: bytes | None) -> Any:
        remaining = self._throttled_until - time.monotonic()
        if remaining > 0:
            raise ThrottledError("Azure SignalR Service asked to wait", remaining)
        headers = {"Authorization": await self._account.authorization(url)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._opened().request(
                method, target, data=body, headers=headers, allow_redirects=False, timeout=self._timeout
            ) as response:
                return self._read(response, await response.read())
        except aiohttp.ClientConnectorError as error:
            raise _NotReachedError("Azure SignalR Service cannot be reached") from error
        except TimeoutError as error:
            raise UnavailableError("Azure SignalR Service did not answer in time") from error
        except aiohttp.ClientError as error:
            raise UnavailableError("Azure SignalR Service broke the connection off") from error

    def _opened(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session_loop is not loop:
            self._session, self._session_loop = aiohttp.ClientSession(), loop
        return self._session

    def _read(self, response: aiohttp.ClientResponse, body: bytes) -> Any:
        if 200 <= response.status < 300:
            try:
                return json.loads(body) if body and response.content_type == "application/json" else None
            except (ValueError, RecursionError) as error:
                raise UnavailableError("Azure SignalR Service answered something that is no JSON") from error
        failure = _error(response.status, response.headers)
        if isinstance(failure, ThrottledError) and failure.retry_after_seconds:
            self._throttled_until = time.monotonic() + failure.retry_after_seconds
        raise failure


def _error(status: int, headers: Mapping[str, str]) -> SignalRError:
    code = headers.get("x-ms-error-code", "")
    told = f"Azure SignalR Service answered {status}" + (f" ({code})" if code else "")
    match status:
        case 400:
            return InvalidMessageError(told)
        case 401 | 403:
            return AccessDeniedError(f"{told}: check key or identity, its role, and this machine's clock")
        case 404:
            return ConnectionNotFoundError(told)
        case 413:
            return MessageTooLargeError(told)
        case 429:
            return ThrottledError(told, _seconds(headers.get("Retry-After")))
        case _ if status == _UNAVAILABLE:
            return _NotReachedError(told)
        case _:
            return UnavailableError(told)


def _seconds(retry_after: str | None) -> float | None:
    """Return what the header says: seconds, or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
