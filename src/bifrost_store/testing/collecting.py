"""How pytest finds the contract: a test file that imports its package runs every module of it."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import pytest
from typing_extensions import override

from bifrost_store.testing import contract

__all__ = ["Topic", "pytest_pycollect_makeitem", "topic_of"]


class Topic(pytest.Module):
    """One module of the contract, as part of the file that imports the contract: ``test_contract.py::records``."""

    @override
    def _getobj(self) -> ModuleType:
        return import_module(f"{contract.__name__}.{self.name}")


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> list[Topic] | None:
    """Collect every module of the contract where a test file imports the package; a `conftest.py` takes this hook over."""
    if obj is not contract:
        return None
    # By the file's own path: pytest asks only the hooks and fixtures above the path of a node.
    return [
        Topic.from_parent(collector, path=collector.path, name=topic.name, nodeid=f"{collector.nodeid}::{topic.name}")
        for topic in iter_modules(contract.__path__)
    ]


def topic_of(item: pytest.Item) -> str:
    """Return the name of the module that *item* is written in: ``records``, or ``test_mine`` for a file of one's own."""
    module = item.getparent(pytest.Module)
    return "" if module is None else module.name.removesuffix(".py")
