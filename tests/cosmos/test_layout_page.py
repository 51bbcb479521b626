"""The page about the layout: its tables say what `layout` says, and its examples are documents as they are written."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bifrost_store.backends.cosmos.data_documents import data_from_document, document_from_data
from bifrost_store.backends.cosmos.documents import document_from_record, record_from_document
from bifrost_store.backends.cosmos.layout import CONTAINER_OF, CONTAINERS, ID_PREFIXES
from bifrost_store.core.execution_data import segment_id
from bifrost_store.documents import SPECS
from bifrost_store.testing.clock import START

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "cosmos-layout.md").read_text("utf-8")
DOCUMENTS: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
DATA = [document for document in DOCUMENTS if "covers" in document]
EXAMPLES = [document for document in DOCUMENTS if document not in DATA]
MARGIN = timedelta(hours=1)


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_tables_are_the_layout(name: str) -> None:
    """Partition key, TTL and every index path of a container stand on the page, and no other."""
    layout = CONTAINERS[name]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    (_, key, ttl, _), (_, included, excluded) = rows

    assert f"`{layout.partition_key}`" == key
    assert ttl.startswith("off" if layout.default_ttl is None else str(layout.default_ttl))
    assert (list(layout.included), list(layout.excluded)) == (code(included), code(excluded))


def test_every_kind_has_its_prefix() -> None:
    """Kinds with a prefix of their own are in the table, and the others are named below it."""
    rows = dict(re.findall(r"^\| `(\w+)` \| `?([\w-]+)`? \|$", PAGE, re.MULTILINE))
    others = re.search(r"^The other kinds are (.*)\.$", PAGE, re.MULTILINE)

    assert others is not None
    assert {kind: prefix or "none" for kind, prefix in ID_PREFIXES.items()} == rows
    assert set(SPECS) - set(ID_PREFIXES) == set(code(others[1]))


@pytest.mark.parametrize("document", EXAMPLES, ids=lambda document: str(document["id"]))
def test_an_example_is_what_is_written(document: dict[str, Any]) -> None:
    """It can be read, nobody wrote it past the library, and writing it again gives it property for property."""
    record = record_from_document({**document, "_etag": '"1"'}, SPECS)
    now = START
    if isinstance(record.expires_at, datetime):
        now = record.expires_at + MARGIN - timedelta(seconds=document["ttl"])
    has_ttl = CONTAINERS[CONTAINER_OF[SPECS[record.key.kind].feed]].default_ttl not in (None, -1)

    assert document["meta"]["writeId"] == record.version.write_id
    assert json.dumps(document) == json.dumps(document_from_record(record, now, has_ttl=has_ttl))


@pytest.mark.parametrize("document", DATA, ids=lambda document: str(document["id"]))
def test_an_example_of_execution_data_is_what_is_written(document: dict[str, Any]) -> None:
    """It stands where its items belong, and writing what is read from it gives it property for property."""
    data = data_from_document(document)
    assert isinstance(data.expires_at, datetime)
    now = data.expires_at + MARGIN - timedelta(seconds=document["ttl"])

    assert data.id == segment_id(data.run.scope, data.recording, data.first)
    assert json.dumps(document) == json.dumps(document_from_data(data, now))


def test_the_examples_are_of_the_main_kinds() -> None:
    """Each main kind has one, and so has what is peculiar: a tombstone, an encoded value, an escaped id."""
    kinds = {document["type"] for document in EXAMPLES}

    assert {"organization", "user", "role", "form", "config", "oauth_connection", "branding", "execution", "tombstone"} <= kinds
    assert any("$json" in value for document in EXAMPLES for value in document.values() if isinstance(value, dict))
    assert any("=2F" in document["id"] for document in EXAMPLES)
