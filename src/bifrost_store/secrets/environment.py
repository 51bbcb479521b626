"""Secrets in environment variables: for laptops and tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr
from typing_extensions import override

from bifrost_store.errors import SecretNotFoundError
from bifrost_store.secrets.names import check_secret_name
from bifrost_store.secrets.protocol import Secret, SecretStore

PREFIX: Final = "BIFROST_SECRET_"


class EnvironmentSecrets(SecretStore):
    """Secret ``halo-client-secret`` is the variable ``BIFROST_SECRET_HALO_CLIENT_SECRET``; there are no versions.

    Args:
        environment: By default that of the process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    @override
    async def get(self, name: str, version: str | None = None) -> Secret:
        check_secret_name(name, "secret")
        variable = PREFIX + name.upper().replace("-", "_")
        value = self._environment.get(variable)
        if value is None:
            raise SecretNotFoundError(f"secret {name!r} does not exist; set {variable}", backend="environment")
        if version is not None:
            raise SecretNotFoundError(f"secret {name!r}: environment variables have no versions", backend="environment")
        return Secret(name, SecretStr(value))

    @override
    async def aclose(self) -> None:
        pass
