"""Shared access signatures: what lets anybody read one blob for a while."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from azure.storage.blob import BlobSasPermissions, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient

from bifrost_store.blobs.names import check_names
from bifrost_store.blobs.protocol import LINK_REFUSED
from bifrost_store.core.clock import as_utc, parse_time
from bifrost_store.errors import ConfigurationError, InvalidKeyError, InvalidLinkError

_KEY_LIFETIME: Final = timedelta(days=6, hours=12)
"""Of a user delegation key: at most seven days ("Get User Delegation Key", Microsoft), less what clocks may disagree by."""
_CLOCK_SKEW: Final = timedelta(minutes=15)
_MALFORMED_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_CANNOT_SIGN: Final = (
    "links to blobs cannot be signed with a shared access signature; give an account key or an identity for Azure Blob Storage"
)


class SasSigner:
    """Signs for one account: with its key or, where an identity is used, with a key that the service gives to it.

    Args:
        client: For the account.
    """

    def __init__(self, client: BlobServiceClient) -> None:
        self._client = client
        self._delegated: tuple[datetime, Any] | None = None

    async def token(self, container: str, name: str, now: datetime, expires_at: datetime) -> str:
        """Return the query of a URL that reads a blob until *expires_at*.

        Raises:
            ConfigurationError: The client's own credential is a signature, which cannot sign.
        """
        account = str(self._client.account_name)
        permission = BlobSasPermissions(read=True)
        account_key = getattr(self._client.credential, "account_key", None)
        if account_key is not None:
            return generate_blob_sas(
                account, container, name, account_key=account_key, permission=permission, expiry=as_utc(expires_at)
            )
        key = await self._delegation_key(now, expires_at)
        return generate_blob_sas(
            account, container, name, user_delegation_key=key, permission=permission, expiry=as_utc(expires_at)
        )

    async def _delegation_key(self, now: datetime, expires_at: datetime) -> Any:
        """Return a key that outlives *expires_at*, asked for only when the last one does not."""
        if not hasattr(self._client.credential, "get_token"):
            raise ConfigurationError(_CANNOT_SIGN)
        if self._delegated is None or self._delegated[0] < expires_at:
            until = as_utc(now) + _KEY_LIFETIME
            self._delegated = until, await self._client.get_user_delegation_key(as_utc(now) - _CLOCK_SKEW, until)
        return self._delegated[1]


def check_sas(base: str, url: str, now: datetime) -> tuple[str, str]:
    """Return the name of the blob that a SAS URL leads to, and its query. Whether it is signed, only the service can tell.

    Args:
        base: What the addresses of the container's blobs begin with.
        url: The link.
        now: The present moment.

    Raises:
        InvalidLinkError: It leads elsewhere, is not signed, or its time is over.
    """
    path, _, token = url.partition("?")
    name = unquote(path.removeprefix(base), errors="surrogateescape")
    try:
        check_names("blobs", name)
        query = _parse_query(token)
        expires_at = parse_time(query["se"][0])
    except (InvalidKeyError, KeyError, ValueError, OverflowError):
        raise InvalidLinkError(LINK_REFUSED) from None
    if not path.startswith(base) or "sig" not in query or as_utc(now) >= expires_at:
        raise InvalidLinkError(LINK_REFUSED)
    return name, token


def _parse_query(token: str) -> dict[str, list[str]]:
    """Return the parameters of a query whose every escape means a character: of others, services say 500 too.

    Raises:
        ValueError: An escape is malformed, or is not UTF-8.
    """
    if _MALFORMED_ESCAPE.search(token):
        raise ValueError("an escape lacks its two hexadecimal digits")
    return parse_qs(token, errors="strict")
