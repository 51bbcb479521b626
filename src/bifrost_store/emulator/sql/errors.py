"""What a query can be refused for: a 400 answer, or 408 where it takes too long."""

from __future__ import annotations

from typing import Any


class SqlError(Exception):
    """The query is wrong: its text, a parameter, or what it does with the data.

    Attributes:
        code: The service's code, such as ``SC1001``.
        start: Where the fault begins in the text, as an offset in characters; None if it has no place.
        end: Where it ends (exclusive).
        substatus: What ``x-ms-substatus`` has to say; None for most.
    """

    def __init__(
        self, code: str, message: str, start: int | None = None, end: int | None = None, substatus: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.start = start
        self.end = end
        self.substatus = substatus

    def as_json(self) -> dict[str, Any]:
        """Return the error as the service writes it into its message: ``{"errors": [{…}]}``."""
        error: dict[str, Any] = {"severity": "Error"}
        if self.start is not None:
            error["location"] = {"start": self.start, "end": self.end}
        return {"errors": [{**error, "code": self.code, "message": self.message}]}


class UnsupportedError(SqlError):
    """The service knows this construct and the emulator does not.

    Attributes:
        construct: Its name, for the message and for the list in the documentation.
    """

    def __init__(self, construct: str, start: int | None = None, end: int | None = None) -> None:
        super().__init__("SC9001", f"The emulator does not support {construct}.", start, end)
        self.construct = construct


class TimeLimitError(SqlError):
    """The query has run for as long as one operation may."""

    def __init__(self, seconds: float) -> None:
        super().__init__("SC9408", f"The query has run for {seconds:g} seconds, which is as long as one operation may take.")
