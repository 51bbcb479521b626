"""The contract on every backend: every topic of it, by its name, as in ``test_contract.py::records``."""

from bifrost_store.testing import contract

__all__ = ["contract"]
