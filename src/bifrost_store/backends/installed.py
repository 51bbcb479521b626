"""Backends of other packages: what their entry points name, and how they are opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.installed import installed_backends
from bifrost_store.core.spec import Specs
from bifrost_store.errors import ConfigurationError, MissingDependencyError
from bifrost_store.settings import PREFIX

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class InstalledBackend(Generic[S]):
    """What the entry point of a package names, in the group ``bifrost_store.backends``, under the backend's name.

    Attributes:
        settings: Its settings: field ``path`` of backend ``duck`` is read from ``BIFROST_STORE_DUCK_PATH``.
        open: Returns a new backend, without connecting to anything yet; whoever opens it closes it.
        place: Returns a line that names where the data is, the same for the same data; without secrets.
    """

    settings: type[S]
    open: Callable[[S, Specs, Clock], Backend]
    place: Callable[[S], str]


def open_installed(name: str, specs: Specs, clock: Clock) -> Backend:
    """Return a new backend of another package that is installed.

    Raises:
        ConfigurationError: A variable is missing, unknown or wrong; or the package does not keep to `InstalledBackend`.
        MissingDependencyError: The package cannot be imported.
    """
    found, settings = _read(name)
    return found.open(settings, specs, clock)


def place_of_installed(name: str) -> str:
    """Return the line that names a backend and its place. Raises as `open_installed`."""
    found, settings = _read(name)
    return f"{name} {found.place(settings)}"


def _read(name: str) -> tuple[InstalledBackend[Any], BaseModel]:
    """Return what an entry point names, and its settings from the environment."""
    entry = installed_backends()[name]
    try:
        found = entry.load()
    except ImportError as error:
        raise MissingDependencyError(f"backend {name!r} cannot be imported from {entry.value}: {error.name} is missing") from error
    if not isinstance(found, InstalledBackend):
        raise ConfigurationError(f"backend {name!r}: {entry.value} is no InstalledBackend; see bifrost_store.backends.installed")
    prefix = f"{PREFIX}{name.upper()}_"
    given = {one: value for one, value in os.environ.items() if one.startswith(prefix)}
    values = {one.removeprefix(prefix).lower(): value for one, value in given.items() if value != ""}
    unknown = sorted(values.keys() - found.settings.model_fields.keys())
    if unknown:
        raise ConfigurationError(f"unknown setting {prefix}{unknown[0].upper()}; known are {_known(prefix, found.settings)}")
    try:
        settings = found.settings.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigurationError("; ".join(f"{prefix}{_path(one['loc'])}: {one['msg']}" for one in problems)) from None
    return found, settings


def _known(prefix: str, settings: type[BaseModel]) -> str:
    return ", ".join(prefix + field.upper() for field in settings.model_fields) or "none"


def _path(location: tuple[int | str, ...]) -> str:
    return "_".join(map(str, location)).upper()
