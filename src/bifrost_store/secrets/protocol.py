"""What a place for secrets must do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as it was read. Its repr hides the value.

    Attributes:
        name: As it was asked for.
        value: Shown by ``get_secret_value()`` alone.
        version: Names exactly this state; None where the place keeps no versions.
    """

    name: str
    value: SecretStr
    version: str | None = None


class SecretStore(Protocol):
    """A place for secrets. Safe for concurrent use within one event loop.

    No value stands in a log record, a repr or an error, the errors' causes included.
    """

    async def get(self, name: str, version: str | None = None) -> Secret:
        """Return a secret, by default as it is now.

        Args:
            name: 1 to 127 letters, digits or dashes; case does not matter.
            version: From a `Secret`.

        Raises:
            InvalidRequestError: *name* can be no secret's.
            SecretNotFoundError: There is none, or not in that version, or it is disabled.
            AccessDeniedError: This application may not read it.
            BackendError: The place did not answer, or asks to wait.
        """
        ...

    async def aclose(self) -> None:
        """Close what this store opened. Calling it twice is harmless."""
        ...
