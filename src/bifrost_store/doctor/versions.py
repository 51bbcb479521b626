"""Whether the packages that the settings need are installed, in versions that this release was made for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Final

from packaging.requirements import Requirement

from bifrost_store.doctor.findings import Finding, State
from bifrost_store.settings import StoreSettings

PACKAGE: Final = "bifrost-store"
_CHECK: Final = "versions"
VersionOf = Callable[[str], str]


def check_versions(extras: Iterable[str], version_of: VersionOf = version) -> list[Finding]:
    """Return whether what the library and *extras* require is there.

    Args:
        version_of: Returns the version of an installed package; raises PackageNotFoundError.
    """
    python = ".".join(map(str, sys.version_info[:3]))
    findings = [Finding(_CHECK, PACKAGE, State.OK, f"{version_of(PACKAGE)}, Python {python}")]
    for extra, requirement in _requirements(extras):
        wanted = f"{PACKAGE}[{extra}]" if extra else PACKAGE
        remedy = f"pip install '{wanted}'"
        try:
            found = version_of(requirement.name)
        except PackageNotFoundError:
            findings.append(Finding(_CHECK, requirement.name, State.WRONG, "is not installed", remedy))
            continue
        if requirement.specifier.contains(found, prereleases=True):
            findings.append(Finding(_CHECK, requirement.name, State.OK, found))
        else:
            told = f"{found} is none of the versions that this release was made for: {requirement.specifier}"
            findings.append(Finding(_CHECK, requirement.name, State.WARNING, told, remedy))
    return findings


def extras_of(settings: StoreSettings, backends: Iterable[str]) -> list[str]:
    """Return the extras that *settings* need: of a backend that needs more than the library, its name."""
    extras = [name for name in backends if name in (metadata(PACKAGE).get_all("Provides-Extra") or ())]
    if any((settings.table_endpoint, settings.blob_endpoint, settings.cosmos_endpoint)):
        extras.append("identity")
    if settings.signalr_connection_string is not None:
        extras.append("realtime")
    return extras


def _requirements(extras: Iterable[str]) -> Iterator[tuple[str, Requirement]]:
    """Go through what is required always, and then by each of *extras*, each package once."""
    declared = [Requirement(text) for text in requires(PACKAGE) or ()]
    seen: set[str] = set()
    for extra in ("", *extras):
        for requirement in declared:
            is_meant = requirement.marker is None if not extra else requirement.marker is not None
            if not is_meant or requirement.name in seen or requirement.name == PACKAGE:
                continue
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                seen.add(requirement.name)
                yield extra, requirement
