"""What is known of a backend before it is opened; each declares its own, in its folder's `__init__`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackendFacts:
    """One backend.

    Attributes:
        name: What the setting and the flag say.
        title: Its name for people who do not operate it.
        telemetry_name: OpenTelemetry's ``db.system.name``, or one in its manner.
        role: The service's role that lets an identity read and write; None where the file system decides.
        is_leased: A migration can be about it: it holds control documents, and processes serve from it under leases.
    """

    name: str
    telemetry_name: str
    title: str = ""
    role: str | None = None
    is_leased: bool = False
