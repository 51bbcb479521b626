"""Records what runs leave while they go on: from `logging` and calls, by way of a spool, into execution data."""

from __future__ import annotations

from bifrost_store.recording.context import carry
from bifrost_store.recording.handler import RecordingHandler

__all__ = ["RecordingHandler", "carry"]
