"""Secrets in Azure Key Vault, by its SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.keyvault.secrets.aio import SecretClient
from pydantic import SecretStr
from typing_extensions import override

from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    SecretNotFoundError,
    StoreError,
    ThrottledError,
    without_text,
)
from bifrost_store.secrets.names import check_secret_name
from bifrost_store.secrets.protocol import Secret, SecretStore

_NAME = "keyvault"


class KeyVaultSecrets(SecretStore):
    """The secrets of one vault. The identity needs the role *Key Vault Secrets User*.

    Args:
        url: ``https://<name>.vault.azure.net``.
        credential: Who asks. Whoever made it closes it.
        options: For the SDK's client.
    """

    def __init__(self, url: str, credential: AsyncTokenCredential, **options: Any) -> None:
        self._host = urlsplit(url).netloc
        self._client = SecretClient(url, credential, **options)

    @override
    async def get(self, name: str, version: str | None = None) -> Secret:
        check_secret_name(name, "secret")
        with self._mapped(name):
            found = await self._client.get_secret(name, version)
            return Secret(name, SecretStr(found.value or ""), found.properties.version)

    @override
    async def aclose(self) -> None:
        await self._client.close()

    @contextmanager
    def _mapped(self, name: str) -> Iterator[None]:
        place = f"secret {name!r} in {self._host}"
        try:
            yield
        except HttpResponseError as error:
            if (error.status_code or 0) >= 400:
                raise _of_status(error, place) from error
            raise _unreadable(error, place) from without_text(error)
        except ServiceResponseError as error:
            raise BackendTimeoutError(f"{place}: no answer came; try again", backend=_NAME) from error
        except ServiceRequestError as error:
            text = f"{place}: cannot be reached; check the vault's address and the network, then try again"
            raise BackendUnavailableError(text, backend=_NAME) from error
        except (AzureError, ValueError) as error:  # the SDK refuses a challenge of another domain by a ValueError
            raise _unreadable(error, place) from without_text(error)


def _unreadable(error: Exception, place: str) -> StoreError:
    """Return an error for an answer that cannot be read, which may hold the secret."""
    return BackendError(f"{place}: the answer is none of Key Vault's ({type(error).__name__})", backend=_NAME)


def _of_status(error: HttpResponseError, place: str) -> StoreError:
    status = error.status_code
    if status == 404:
        return SecretNotFoundError(f"{place} does not exist; store it there, or correct the reference", backend=_NAME)
    if status == 403 and _inner_code(error) == "SecretDisabled":
        return SecretNotFoundError(f"{place} is disabled; enable it, or store a new version", backend=_NAME)
    if status in (401, 403) or isinstance(error, ClientAuthenticationError):
        text = f"{place} may not be read by this identity; give it the role Key Vault Secrets User, and check the vault's firewall"
        return AccessDeniedError(text, backend=_NAME)
    if status == 429:
        seconds = _retry_after(error)
        return ThrottledError(f"{place}: the vault asks to slow down", backend=_NAME, retry_after_seconds=seconds)
    if status is not None and status >= 500:
        return BackendUnavailableError(f"{place}: the vault is out of order ({status}); try again", backend=_NAME)
    return BackendError(f"{place}: the vault refused the request ({status})", backend=_NAME)


def _inner_code(error: HttpResponseError) -> str | None:
    inner: dict[str, Any] = getattr(error.error, "innererror", None) or {}
    return inner.get("code")


def _retry_after(error: HttpResponseError) -> float | None:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None
