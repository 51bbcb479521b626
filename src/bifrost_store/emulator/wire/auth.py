"""Signatures of requests: HMAC with the account's key ("Access control in the Azure Cosmos DB SQL API")."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, unquote

from bifrost_store.emulator.wire.errors import ServiceError

EMULATOR_KEY: Final = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
"""The key of Microsoft's emulators, which is no secret."""

MAX_SKEW_SECONDS: Final = 900
"""How far a request's date may lie from the server's ("Azure Cosmos DB service quotas")."""

_REFUSAL: Final = (
    "The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as "
    "per the protocol. For more info: https://aka.ms/cosmosdb-tsg-unauthorized. Server used the following payload to sign: '{}'"
)


class Authority:
    """Who may ask: the holder of one key."""

    def __init__(self, key: str) -> None:
        try:
            self._key = base64.b64decode(key, validate=True)
        except ValueError:
            raise ValueError("the account's key must be base64") from None

    def sign(self, verb: str, resource_type: str, link: str, date: str, other_date: str = "") -> str:
        """Return the signature of a request."""
        payload = _payload(verb, resource_type, link, date, other_date)
        return base64.b64encode(hmac.digest(self._key, payload.encode(), hashlib.sha256)).decode()

    def check(self, verb: str, segments: Sequence[str], headers: Mapping[str, str], now: float) -> None:
        """Raise 401 unless the request at a path of *segments* is signed, 403 if its date is too far from *now*."""
        date, other_date = headers.get("x-ms-date", ""), headers.get("date", "")
        resource_type, link, rid_link = resource_of(segments)
        kind, signature = _signature(headers.get("authorization", ""))
        if kind == "aad":
            return self._check_token(signature)
        for candidate in (link, rid_link):
            expected = self.sign(verb, resource_type, candidate, date, "" if date else other_date)
            both = self.sign(verb, resource_type, candidate, date, other_date)
            if hmac.compare_digest(expected, signature) or hmac.compare_digest(both, signature):
                return _check_date(date or other_date, now)
        shown = _payload(verb, resource_type, link, date, other_date).replace("\n", "\\n")
        raise ServiceError(401, _REFUSAL.format(shown))

    def _check_token(self, token: str) -> None:
        """Raise 401 unless a token as of Entra ID is one for emulators, whose signature is the key itself."""
        try:
            given = base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")
        except ValueError:
            given = b""
        if token.count(".") != 2 or not hmac.compare_digest(base64.b64encode(self._key), given):
            raise ServiceError(401, "The emulator knows no directory: of tokens of Entra ID it takes those made for emulators.")

    def check_bearer(self, header: str) -> None:
        """Raise 401 unless the header carries the key itself, as the control path wants it."""
        given = header.removeprefix("Bearer ").encode("utf-8", "replace")
        if not hmac.compare_digest(base64.b64encode(self._key), given):
            raise ServiceError(401, "The control path wants the header 'Authorization: Bearer <account key>'.")


def resource_of(segments: Sequence[str]) -> tuple[str, str, str]:
    """Return the type of the resource at a path, its link by names, and the link if the path consists of resource ids."""
    if segments[-2:] == ["operations", "partitionkeydelete"]:
        return "colls", "/".join(segments[:-2]), segments[-3].lower()
    if len(segments) % 2:
        link = segments[:-1]
        return segments[-1], "/".join(link), link[-1].lower() if link else ""
    if not segments:
        return "", "", ""
    return segments[-2], "/".join(segments), segments[-1].lower()


def _payload(verb: str, resource_type: str, link: str, date: str, other_date: str) -> str:
    return f"{verb.lower()}\n{resource_type.lower()}\n{link}\n{date.lower()}\n{other_date.lower()}\n"


def _signature(header: str) -> tuple[str, str]:
    """Return the kind of a request's authorization, and its signature or token."""
    if not header:
        raise ServiceError(401, "Required Header authorization is missing. Ensure a valid Authorization token is passed.")
    token = dict(parse_qsl(unquote(header).replace("+", "%2B")))
    kind = token.get("type", "")
    if kind == "resource":
        raise ServiceError(400, "The emulator does not serve resource tokens: permissions are stored and open nothing.")
    if kind not in ("master", "aad") or "sig" not in token or not token["sig"].isascii():
        raise ServiceError(401, "The authorization token is not of the kind 'type=master&ver=1.0&sig=...'.")
    return kind, token["sig"]


def _check_date(text: str, now: float) -> None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        raise ServiceError(401, "The request has no valid date in the header x-ms-date.") from None
    if abs(date.timestamp() - now) > MAX_SKEW_SECONDS:
        raise ServiceError(
            403,
            f"The authorization token is not valid at the current time. Please create another token and retry (start: {text}).",
        )
