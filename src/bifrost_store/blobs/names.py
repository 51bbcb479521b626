"""Which names containers and blobs may have, alike on every blob store."""

from __future__ import annotations

import re
from typing import Final

from bifrost_store.core.json import check_text
from bifrost_store.errors import InvalidKeyError, InvalidRequestError

MAX_NAME_CHARACTERS: Final = 1024
"""Of a blob ("Naming and Referencing Containers, Blobs, and Metadata", Microsoft)."""

_CONTAINER: Final = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")
_UNKEEPABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\\\\\ufffe\uffff]")


def check_names(container: str, *names: str) -> None:
    """Refuse a container or blob name that Azure Blob Storage cannot keep apart from others, or that leaves its container.

    A part between slashes that ends with a dot is refused: ``.`` and ``..`` would be resolved on the way to the service,
    and the service drops trailing dots. So are backslashes, which become slashes, and characters that no listing can show.

    Raises:
        InvalidKeyError: The message names the rule.
    """
    if _CONTAINER.fullmatch(container) is None:
        raise InvalidKeyError(f"blob container {container[:80]!r}: 3 to 63 lower-case letters, digits and single dashes")
    for name in names:
        if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
            raise InvalidKeyError(f"blob name: must have 1 to {MAX_NAME_CHARACTERS} characters, not {len(name)}")
        check_prefix(name)
        if _UNKEEPABLE.search(name):
            raise InvalidKeyError(f"blob name {name[:80]!r}: no control characters, backslashes or noncharacters")
        if any(part.endswith(".") for part in name.split("/")):
            raise InvalidKeyError(f"blob name {name[:80]!r}: no part between slashes may end with a dot")


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that is not Unicode text.

    Raises:
        InvalidKeyError: It holds a lone surrogate.
    """
    try:
        check_text(prefix, "blob name")
    except InvalidRequestError as error:
        raise InvalidKeyError(str(error)) from None
