"""The accounts that end-to-end tests use too."""

from tests.e2e.conftest import empty_cosmos  # noqa: F401 - a fixture
