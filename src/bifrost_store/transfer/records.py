"""Dump and load at the waist: every record and tombstone as JSON lines, every blob as a file."""

from __future__ import annotations

from bifrost_store.transfer.dumping import dump_records
from bifrost_store.transfer.loading import load_records
from bifrost_store.transfer.report import TransferReport

__all__ = ["TransferReport", "dump_records", "load_records"]
