"""The time in the stores that are measured: what figures cost depends on the hours that a day has had."""

from __future__ import annotations

from typing import Final

from bifrost_store.costing.places import NoonClock

now: Final = NoonClock()
"""Tells it."""
