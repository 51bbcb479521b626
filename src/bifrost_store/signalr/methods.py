"""The methods that clients may call, and the calls that clients answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bifrost_store.signalr import wire
from bifrost_store.signalr.connection import Connection
from bifrost_store.signalr.counters import Reason
from bifrost_store.signalr.errors import HubError, InvocationError
from bifrost_store.signalr.switchboard import Switchboard

_log = logging.getLogger("bifrost_store.signalr")
_NO_STREAMS: Final = "This hub has no streams; call a method without one."

Method = Callable[..., Awaitable[Any]]
"""What a client may call: an async function of the connection and the client's arguments."""


class Methods:
    """Runs what clients call, one call of a client after another, and never on the task that reads from it."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._methods: dict[str, tuple[Method, inspect.Signature]] = {}

    def add(self, name: str, method: Method) -> None:
        """Let clients call *method* by a name; upper and lower case are one, as at clients."""
        key = name.lower()
        if not name or key in self._methods:
            raise ValueError(f"a method needs a name of its own, not {name!r}")
        if not inspect.iscoroutinefunction(method):
            raise TypeError(f"the method {name!r} must be an async function")
        self._methods[key] = method, inspect.signature(method)

    def call(self, connection: Connection, invocation: wire.Invocation) -> None:
        """Let a client's call wait for its turn."""
        if invocation.is_stream:
            self._answer(connection, invocation, error=_NO_STREAMS)
            return
        if connection.turns is None:
            connection.turns = []
        if len(connection.turns) >= self._switchboard.limits.waiting_invocations:
            self._switchboard.refuse(connection, Reason.FLOOD, "Too many invocations wait.")
            return
        connection.turns.append(invocation)
        if connection.worker is None:
            connection.worker = asyncio.get_running_loop().create_task(self._work(connection))

    def answered(self, connection: Connection, completion: wire.Completion) -> None:
        """Take a client's answer; one that nobody waits for is nothing."""
        question = (connection.questions or {}).get(completion.id)
        if question is None or question.done():
            return
        if completion.error is not None:
            question.set_exception(InvocationError(completion.error))
        else:
            question.set_result(completion.result)

    async def ask(self, connection: Connection, target: str, arguments: tuple[Any, ...], timeout_seconds: float) -> Any:
        """Call a client and return its answer."""
        id = f"s-{secrets.token_hex(8)}"
        record, size = self._switchboard.record(target, arguments, id)
        question: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if connection.questions is None:
            connection.questions = {}
        connection.questions[id] = question
        try:
            self._switchboard.send([connection], record, size)
            async with asyncio.timeout(timeout_seconds):
                return await question
        except TimeoutError:
            raise InvocationError(f"the client did not answer within {timeout_seconds} s") from None
        finally:
            del connection.questions[id]

    async def _work(self, connection: Connection) -> None:
        try:
            while connection.turns:
                await self._run(connection, connection.turns.pop(0))
        finally:
            connection.worker = None

    async def _run(self, connection: Connection, invocation: wire.Invocation) -> None:
        method, signature = self._methods.get(invocation.target.lower(), (None, None))
        if method is None or signature is None:
            self._answer(connection, invocation, error=f"Unknown hub method '{invocation.target}'")
            return
        try:
            bound = signature.bind(connection, *invocation.arguments)
        except TypeError:
            error = f"Failed to invoke '{invocation.target}': it takes other arguments."
            self._answer(connection, invocation, error=error)
            return
        try:
            result = await method(*bound.args)
            if invocation.id is not None:
                self._complete(connection, wire.completion(invocation.id, result=result, has_result=result is not None))
        except HubError as error:
            self._answer(connection, invocation, error=str(error))
        except Exception:  # noqa: BLE001 - whatever a method raises, its client is told and others go on
            level = logging.DEBUG if connection.is_closing else logging.ERROR
            _log.log(level, "signalr.method_failed target=%s", ascii(invocation.target[:100]), exc_info=True)
            text = f"An unexpected error occurred invoking '{invocation.target}' on the server."
            self._answer(connection, invocation, error=text)

    def _answer(self, connection: Connection, invocation: wire.Invocation, *, error: str) -> None:
        if invocation.id is not None:
            self._complete(connection, wire.completion(invocation.id, error=error))

    def _complete(self, connection: Connection, record: str) -> None:
        connection.answer(record)
        if connection.outbox.has_too_many_answers:
            self._switchboard.abort(connection, Reason.SLOW)
