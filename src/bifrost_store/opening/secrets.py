"""The place for secrets that the settings name."""

from __future__ import annotations

from contextlib import AsyncExitStack

from bifrost_store.backends.registry import azure_credential
from bifrost_store.errors import MissingDependencyError
from bifrost_store.secrets.environment import EnvironmentSecrets
from bifrost_store.secrets.protocol import SecretStore
from bifrost_store.settings import StoreSettings


def open_secrets(settings: StoreSettings, stack: AsyncExitStack) -> SecretStore:
    """Return the Azure Key Vault of the settings, by the identity of the environment; without one, the environment itself.

    Raises:
        MissingDependencyError: The extra ``keyvault`` is not installed.
    """
    if settings.keyvault_url is None:
        return EnvironmentSecrets()
    try:
        from bifrost_store.secrets.key_vault import KeyVaultSecrets  # noqa: PLC0415 - needs an extra
    except ImportError as error:
        raise MissingDependencyError(f"{error.name} is not installed; pip install 'bifrost-store[keyvault]'") from error
    credential = azure_credential()
    stack.push_async_callback(credential.close)
    vault = KeyVaultSecrets(settings.keyvault_url, credential)
    stack.push_async_callback(vault.aclose)
    return vault
