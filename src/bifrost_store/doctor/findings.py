"""What an examination found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warning"
    """It works, and promises less, or will not for long."""
    WRONG = "wrong"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at, such as ``access``.
        place: The store, package or process that it is about.
        state: See `State`.
        message: What was found.
        remedy: What to do about it, as a sentence without its full stop; empty where all is well.
    """

    check: str
    place: str
    state: State
    message: str
    remedy: str = ""


def is_well(findings: Iterable[Finding]) -> bool:
    """Return whether nothing is wrong; there may be warnings."""
    return all(finding.state is not State.WRONG for finding in findings)
