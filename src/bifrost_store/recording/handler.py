"""Log records of the process become lines of the run in whose recording they are made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from typing_extensions import override

from bifrost_store.recording.context import present_recording
from bifrost_store.recording.run_recording import RunRecording
from bifrost_store.recording.values import safe_repr
from bifrost_store.repository_protocols.execution_data import Level

IGNORED_LOGGERS: Final = ("bifrost_store", "azure", "aiohttp", "opentelemetry")
"""What storing a line would say itself, and so on for ever; none of it is the workflow's."""
_FORMATTER: Final = logging.Formatter()

FindRecording = Callable[[str, object], RunRecording | None]
"""Returns the recording of a run's id, and its scope if the caller said one."""


class RecordingHandler(logging.Handler):
    """Adds log records to the present recording, else to that of the run which ``extra={"executionId": ...}`` names.

    ``extra={"data": ...}`` is kept as the line's data, and a traceback as its traceback. `emit` does no I/O, waits for nothing and
    never raises. A store attaches one to the root logger with its first recording; loggers and the root keep their levels.

    Args:
        find: Returns the recording of a run by its id.
    """

    def __init__(self, find: FindRecording = lambda execution_id, scope: None) -> None:
        super().__init__()
        self._find = find

    @override
    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit without the handler's lock: recordings have their own, and threads must not wait for each other here."""
        is_wanted = self.filter(record)
        if is_wanted:
            self.emit(record if is_wanted is True else is_wanted)
        return bool(is_wanted)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        recording = present_recording.get()
        if recording is None:
            execution_id = getattr(record, "executionId", None)
            if not isinstance(execution_id, str):
                return
            recording = self._find(execution_id, getattr(record, "scope", None))
            if recording is None:
                return
        if record.name.partition(".")[0] in IGNORED_LOGGERS:
            return
        try:
            recording.add_line(
                _level(record.levelno),
                _message(record),
                record.created,
                data=getattr(record, "data", None),
                logger=record.name,
                traceback=_traceback(record),
            )
        except Exception:  # noqa: BLE001 - logging must fail nobody
            self.handleError(record)


def _level(number: int) -> Level:
    if number < logging.INFO:
        return Level.DEBUG
    if number < logging.WARNING:
        return Level.INFO
    if number < logging.ERROR:
        return Level.WARNING
    return Level.ERROR if number < logging.CRITICAL else Level.CRITICAL


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit, or anybody's __str__
        return f"{safe_repr(record.msg)} {safe_repr(record.args)}"


def _traceback(record: logging.LogRecord) -> str | None:
    if not record.exc_info and not record.stack_info and not record.exc_text:
        return None
    parts: list[Any] = [record.exc_text]
    if record.exc_info and not record.exc_text:
        parts = [_FORMATTER.formatException(record.exc_info)]
    return "\n".join(part for part in (*parts, record.stack_info) if part) or None
