"""What is logged while a command runs, on stderr: sentences, or with ``--json`` dotted events with their fields."""

from __future__ import annotations

import logging
from typing import Final

from typing_extensions import override

from bifrost_store.cli.output import display, one_line, talk
from bifrost_store.core.events import dotted

_OF_EVERY_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"event", "message"}


def show_logs() -> None:
    """Show warnings and worse of this process, unless its logging is configured: then that decides."""
    if not logging.root.handlers:
        logging.root.addHandler(_Talking(logging.WARNING))


class _Talking(logging.Handler):
    """Prints each record on one line, beside whatever bars are drawn; with ``--verbose`` its traceback too."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if display.is_interrupted:
            return  # what is left then complains of having been left
        event = getattr(record, "event", None)
        if display.is_json and isinstance(event, str):
            fields = {name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}
            talk.print(one_line(dotted(event, fields)), markup=False)
        else:
            talk.print(f"{record.levelname.lower()}: {one_line(record.getMessage())}", markup=False)
        if display.is_verbose and record.exc_info:
            talk.print(logging.Formatter().formatException(record.exc_info), markup=False)
