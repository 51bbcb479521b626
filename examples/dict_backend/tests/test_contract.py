"""The whole contract: every topic by its name, as in ``test_contract.py::records``."""

from bifrost_store.testing import contract

__all__ = ["contract"]
