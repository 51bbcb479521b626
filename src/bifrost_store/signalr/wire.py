"""SignalR's JSON protocol: records that end with 0x1E, of which one frame may hold several.

Source: https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from bifrost_store.signalr.errors import InvalidMessageError

END: Final = "\x1e"
PING: Final = '{"type":6}' + END
HANDSHAKE_DONE: Final = "{}" + END
_VERSION: Final = 1


class ProtocolError(ValueError):
    """What a client sent is not the protocol; the text is what it is told."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A client calls a method; without an id it wants no answer."""

    target: str
    arguments: list[Any]
    id: str | None
    is_stream: bool


@dataclass(frozen=True, slots=True)
class Completion:
    """A client answers what it was asked."""

    id: str
    result: Any
    error: str | None


@dataclass(frozen=True, slots=True)
class Close:
    """A client goes."""


@dataclass(frozen=True, slots=True)
class Other:
    """A ping, or a record that nothing needs to be done about."""


Message = Invocation | Completion | Close | Other


def invocation(target: str, arguments: tuple[Any, ...] | list[Any], id: str | None = None) -> str:
    """Return the record of a call to a client.

    Raises:
        InvalidMessageError: The target is empty, or an argument is not JSON; NaN and Infinity are not.
    """
    _check_target(target)
    return _record({"type": 1, "target": target, "arguments": list(arguments)} | ({} if id is None else {"invocationId": id}))


def call(target: str, arguments: tuple[Any, ...]) -> bytes:
    """Return a call as the body of a request to a service; raise as `invocation`."""
    _check_target(target)
    return _json({"target": target, "arguments": list(arguments)}).encode()


def completion(id: str, *, result: Any = None, has_result: bool = False, error: str | None = None) -> str:
    """Return the answer to an invocation: a result, an error, or neither."""
    body: dict[str, Any] = {"type": 3, "invocationId": id}
    if error is not None:
        body["error"] = error
    elif has_result:
        body["result"] = result
    return _record(body)


def close(error: str | None = None, *, allow_reconnect: bool = False) -> str:
    """Return the last record of a connection."""
    body: dict[str, Any] = {"type": 7}
    if error is not None:
        body["error"] = error
    if allow_reconnect:
        body["allowReconnect"] = True
    return _record(body)


def handshake_refused(error: str) -> str:
    """Return the answer to a handshake that cannot be taken."""
    return _record({"error": error})


def size_of(text: str) -> int:
    """Return how many bytes a text is on the wire."""
    return len(text) if text.isascii() else len(text.encode())


def split(text: str) -> list[str]:
    """Return the records of a frame, without their ends.

    Raises:
        ProtocolError: The frame ends in the middle of a record.
    """
    *records, rest = text.split(END)
    if rest or not records:
        raise ProtocolError("Message is incomplete.")
    return records


def check_handshake(record: str) -> None:
    """Raise `ProtocolError` unless a record asks for version 1 of the JSON protocol."""
    body = _object(record)
    protocol, version = body.get("protocol"), body.get("version")
    if protocol != "json":
        raise ProtocolError("The protocol is not supported; this hub speaks 'json'.")
    if isinstance(version, bool) or version != _VERSION:
        raise ProtocolError("The server does not support this version of the 'json' protocol.")


def parse(record: str) -> Message:
    """Return the message of a record.

    Raises:
        ProtocolError: It is not JSON, not an object, or lacks what its type needs.
    """
    body = _object(record)
    match body.get("type"):
        case 1 | 4 as kind if not isinstance(kind, bool):
            return _invocation(body, is_stream=kind == 4)
        case 3:
            id, error = body.get("invocationId"), body.get("error")
            if not isinstance(id, str) or not isinstance(error, str | None):
                raise ProtocolError("A Completion needs an invocationId.")
            return Completion(id, body.get("result"), error)
        case 7:
            return Close()
        case bool() | None:
            raise ProtocolError("A message needs a type.")
        case int() | float():
            return Other()
        case _:
            raise ProtocolError("A message's type is a number.")


def _invocation(body: dict[str, Any], *, is_stream: bool) -> Invocation:
    target, arguments, id = body.get("target"), body.get("arguments"), body.get("invocationId")
    if (
        not isinstance(target, str)
        or not isinstance(arguments, list)
        or not isinstance(id, str | None)
        or (is_stream and id is None)
    ):
        raise ProtocolError("An Invocation's id is a text.")
    return Invocation(target, arguments, id, is_stream=is_stream or bool(body.get("streamIds")))


def _object(record: str) -> dict[str, Any]:
    try:
        body = json.loads(record, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ProtocolError("A record is not JSON.") from None
    if not isinstance(body, dict):
        raise ProtocolError("A record is not a JSON object.")
    return body


def _check_target(target: str) -> None:
    if not isinstance(target, str) or not target:
        raise InvalidMessageError("the target must be a text that is not empty")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _record(body: dict[str, Any]) -> str:
    return _json(body) + END


def _json(body: dict[str, Any]) -> str:
    try:
        text = json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can carry
        text = json.dumps(body, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidMessageError(f"what is not JSON cannot be sent: {error}") from None
    return text
