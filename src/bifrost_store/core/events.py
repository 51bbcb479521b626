"""What is told while something goes on: dotted events with fields for programs, and a sentence for each for people."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

SENTENCES: Final[Mapping[str, str]] = {
    "api_keys.use_not_noted": "that API key {key_id} was used could not be noted ({error}); the key works",
    "background.failed": "background work failed and is tried again: {work} ({error})",
    "background.works_again": "background work succeeds again: {work}",
    "branding.logo_copy_failed": "a logo was stored, but not copied to {blob}, where the old application looks ({error})",
    "branding.logo_delete_failed": "the logo {blob} could not be deleted and stays behind, which misleads nobody ({error})",
    "console.request_failed": "the console could not answer the request {request}",
    "cosmos.unreadable_document": "a document cannot be read and is left out of a list: {document}",
    "dual_write.purge_left": "expired records of kind {kind} could not be purged from the secondary store ({error}); "
    "the next purge does it",
    "dual_write.still_pending": "that the secondary store lacks {count} records could not be written to the journal ({error}); "
    "it is tried again",
    "executions.data_delete_failed": "what {runs} runs left could not be removed and stays behind, which misleads nobody ({error})",
    "executions.payload_copy_failed": "a payload was stored, but not copied to {blob}, where the old application looks ({error})",
    "executions.payload_delete_failed": "the payload {blob} could not be deleted and stays behind, which misleads nobody ({error})",
    "executions.payload_name_taken": "a payload was stored, but not copied to {blob}, where the old application looks: "
    "another organization's lies there",
    "feed.dead_letters": "the handler of {processor} cannot take {count} changes of the range {range}, which are dead letters now",
    "feed.held": "the handler of {processor} fails, and its position in the range {range} is held ({error}); it is tried again",
    "feed.lost": "another process may follow the range {range} of {processor} by now: this one was too slow",
    "feed.moves_again": "the position of {processor} in the range {range} moves again",
    "feed.range_taken": "{processor} follows the range {range}",
    "feed.split": "the range {range} of {processor} was split into {parts}",
    "feed.stopped": "the range {range} of {processor} stands still: {problem}",
    "feed.stuck": "the position of {processor} in the range {range} is stuck ({error}); it is tried again",
    "feed.unreadable": "a change cannot be read and is left out: {item}",
    "handover.announced": "waiting for {waiting_for} of {processes} processes to hear of the hand-over",
    "handover.called_off": "the hand-over was called off and is tried again: {reason}",
    "handover.committed": "the hand-over is committed, in epoch {epoch}",
    "handover.lease_revoked": "a process was silent and was taken off the list: {process}",
    "handover.repairing": "repairing {entries} records that the journal names",
    "handover.waiting_for_another": "waiting for another hand-over to end: {kind}, which is {stage}",
    "journal.not_repaired": "a {kind} that the journal names could not be repaired in {scope} ({error}); it is tried again",
    "journal.pass": "of the records that the journal names {repaired} were repaired, {left} are left ({stuck} cannot be repaired)",
    "metrics.differs": "the {field} of {period} of {scope} is {stored} where {counted} were counted; runs may have ended meanwhile",
    "migration.state_damaged": "the state of the migration in {store} cannot be read; the control documents count, and it is made "
    "again from them and the copy in the other store: what is in neither, such as a verification, is to be done again",
    "realtime.feed_failed": "the feed of what clients watch cannot be read ({error}); it is tried again",
    "realtime.not_sent": "those who watch could not be told of something ({error}); they read it later",
    "realtime.sends_again": "those who watch are told again of what happens",
    "recording.failed": "a recording of run {run} failed, and goes on being stored when more comes",
    "recording.item_refused": "an item of run {run} was refused by the store; a line in its place says so",
    "recording.left": "{items} items of recordings were not stored in time, and are lost with this process",
    "recording.not_gathered": "what run {run} left could not be read while it was ended ({error}); other applications find "
    "only what this process recorded",
    "recording.not_left": "what run {run} left could not be saved with it ({error}); this process keeps it until the run is ended",
    "recording.not_published": "what run {run} left was stored, but those who watch could not be told; they read it later",
    "recording.stores_again": "what run {run} leaves is stored again",
    "recording.waits": "what run {run} leaves could not be stored ({error}); it is kept and tried again",
    "routing.draining_failed": "waiting for operations to end before a hand-over failed ({error}); it is tried again",
    "shadow_read.differs": "a shadow read ({operation} {subject}) found another answer in the secondary store: {rules}",
    "shadow_read.failed": "a shadow read failed and was not counted ({error}); the caller has its answer",
    "start.processes_in_target": "waiting for processes that use the target by themselves: {processes}",
    "table.index_rows_incomplete": "a record was written, but {count} of its index rows for the old application were not "
    "({error}); run `{remedy}`",
    "table.unreadable_row": "a row cannot be read and is left out of a list: {row}",
    "takeover.committed": "the other store answers now, in epoch {epoch}",
    "takeover.waiting_for_leases": "waiting {seconds:g} seconds, until every lease in {dead} has ended",
    "users.rename_resumed": "a renaming of a user that was interrupted is carried on",
}
"""By event, with the fields that they show."""


def sentence(event: str, fields: Mapping[str, Any]) -> str:
    """Return what *event* says to people."""
    shown = {name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value for name, value in fields.items()}
    return SENTENCES[event].format_map(shown)


def dotted(event: str, fields: Mapping[str, Any]) -> str:
    """Return what *event* says to programs: its name and its fields."""
    return " ".join([event, *(f"{name}={value}" for name, value in fields.items())])


def log_event(logger: logging.Logger, level: int, event: str, exc_info: BaseException | None = None, /, **fields: Any) -> None:
    """Log *event*: the record's message is its sentence, and its ``event`` and fields are attributes of the record.

    Args:
        exc_info: Whose traceback goes with it.
    """
    if logger.isEnabledFor(level):
        logger.log(level, sentence(event, fields), extra={"event": event, **fields}, exc_info=exc_info, stacklevel=2)
