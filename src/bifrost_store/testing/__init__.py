"""The contract that every backend keeps, as tests: for this library's backends and for other people's.

A suite of one's own takes three files beside the backend:

* a harness (`bifrost_store.testing.harness.Harness`) that opens the backend over an empty store;
* a ``conftest.py`` that imports the fixtures of `bifrost_store.testing.fixtures` and names the harnesses;
* a test file with ``from bifrost_store.testing.contract.records import *`` and so on, one line for each topic.

Needs pytest, hypothesis and anyio's pytest plugin: ``pip install 'bifrost-store[testing]'``.
"""
