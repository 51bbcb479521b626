"""What secrets may be called."""

from __future__ import annotations

import re
from typing import Final

from bifrost_store.errors import InvalidRequestError

_SECRET_NAME: Final = re.compile(r"[0-9A-Za-z-]{1,127}")
"""Of a Key Vault secret ("About Azure Key Vault keys, secrets and certificates: Objects, identifiers and versioning")."""


def check_secret_name(value: object, field: str) -> None:
    """Refuse what cannot be the name of a Key Vault secret. The error never shows it: it may be the secret itself."""
    if not isinstance(value, str) or _SECRET_NAME.fullmatch(value) is None:
        raise InvalidRequestError(f"{field}: the name of a Key Vault secret has 1 to 127 letters, digits or dashes")
