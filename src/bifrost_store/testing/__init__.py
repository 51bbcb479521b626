"""The contract that every backend keeps, as tests: for this library's backends and for other people's.

A suite of one's own takes three files beside the backend:

* a harness (`bifrost_store.testing.harness.Harness`) that opens the backend over an empty store;
* a ``conftest.py`` that imports everything from `bifrost_store.testing.fixtures`, and calls its `suite_of` with the harness;
* a test file, say ``test_contract.py``, with the line ``from bifrost_store.testing import contract``.

pytest then runs every topic of the contract, ``test_contract.py::records`` and so on, also those that later versions add.

Needs pytest, hypothesis and anyio's pytest plugin: ``pip install 'bifrost-store[testing]'``.
"""
