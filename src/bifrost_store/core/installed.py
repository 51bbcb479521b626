"""Backends that other packages bring, by the names of their entry points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

GROUP: Final = "bifrost_store.backends"
_NAME: Final = re.compile(r"[a-z][a-z0-9]{0,31}")


@cache
def installed_backends() -> Mapping[str, EntryPoint]:
    """Return the entry points of installed packages by name: small letters and digits. Nothing of them is imported."""
    return {one.name: one for one in entry_points(group=GROUP) if _NAME.fullmatch(one.name)}
