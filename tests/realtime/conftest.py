"""The stock client."""

from __future__ import annotations

from tests.signalr import conftest as signalr

stock = signalr.stock
