"""What forms refuse when they are written, above all their schemas, and what can be read all the same."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.core.scope import SYSTEM
from bifrost_store.errors import DocumentTooLargeError, InvalidKeyError, InvalidRequestError
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.contract.repositories_forms import FIELD, form_in, ids
from bifrost_store.testing.examples import ORGANIZATION
from bifrost_store.testing.examples import form as form_record
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": ""}, InvalidRequestError),
        ({"name": "x" * 201}, InvalidRequestError),
        ({"name": None}, InvalidRequestError),
        ({"linked_workflow": ""}, InvalidKeyError),
        ({"linked_workflow": "x" * 129}, InvalidKeyError),
        ({"linked_workflow": None}, InvalidKeyError),
        ({"created_by": ""}, InvalidKeyError),
        ({"description": 5}, InvalidRequestError),
        ({"access_level": "private"}, InvalidRequestError),
        ({"access_level": None}, InvalidRequestError),
        ({"launch_workflow_id": ""}, InvalidKeyError),
        ({"allowed_query_params": "tenant"}, InvalidRequestError),
        ({"allowed_query_params": ["a", 1]}, InvalidRequestError),
        ({"default_launch_params": [1]}, InvalidRequestError),
        ({"default_launch_params": {"a": float("nan")}}, InvalidRequestError),
        ({"default_launch_params": {1: 2}}, InvalidRequestError),
        ({"scope": "GLOBAL"}, InvalidKeyError),
        ({"scope": SYSTEM}, InvalidKeyError),
    ],
    ids=str,
)
async def test_bad_arguments(store: StoreUnderTest, repositories: Repositories, arguments: Any, expected: type[Exception]) -> None:
    """Bad arguments are refused, naming the field, before anything is written."""
    with pytest.raises(expected) as caught:
        await form_in(repositories, **arguments)

    assert type(caught.value) is expected
    assert next(iter(arguments)) in str(caught.value)
    assert await everything(store.backend) == {}


@pytest.mark.parametrize("bad", ["", "x" * 65, "a:b", "a/b", "f_1", None, 5], ids=repr)
async def test_what_is_no_form_id(repositories: Repositories, bad: Any) -> None:
    """Every method refuses what can be no form's id."""
    for call in (
        repositories.forms.get(ORGANIZATION, bad),
        repositories.forms.can_view(ORGANIZATION, "kim", bad),
        repositories.forms.update(ORGANIZATION, bad, name="B"),
        repositories.forms.deactivate(ORGANIZATION, bad),
        repositories.forms.delete(ORGANIZATION, bad),
    ):
        with pytest.raises(InvalidKeyError, match="form"):
            await call


def with_field(**changes: Any) -> dict[str, Any]:
    """Return a schema whose second field has *changes*."""
    return {"fields": [{"name": "a", "type": "text"}, {**FIELD, **changes}]}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (None, "JSON object"),
        ([], "JSON object"),
        ({}, "`fields`"),
        ({"fields": None}, "`fields`"),
        ({"fields": {}}, "`fields`"),
        ({"fields": [{"name": f"f{number}", "type": "text"} for number in range(51)]}, "at most 50"),
        ({"fields": ["secret"]}, r"fields\[0\]: must be an object"),
        (with_field(name=None), r"fields\[1\].name"),
        (with_field(name=""), r"fields\[1\].name"),
        (with_field(name="a"), r"fields\[1\].name: another field"),
        (with_field(type="secret"), r"fields\[1\].type: must be one of text"),
        (with_field(type=None), r"fields\[1\].type"),
        (with_field(type=["text"]), r"fields\[1\].type"),
        (with_field(label=5), r"fields\[1\].label: must be text or null, not int"),
        (with_field(required="secret"), r"fields\[1\].required: must be true or false or null"),
        (with_field(required=1), r"fields\[1\].required"),
        (with_field(validation=["secret"]), r"fields\[1\].validation"),
        (with_field(options="secret"), r"fields\[1\].options"),
        (with_field(allowedTypes=[5]), r"fields\[1\].allowedTypes\[0\]"),
        (with_field(maxSizeMB=True), r"fields\[1\].maxSizeMB: must be a number"),
        (with_field(dataProviderInputs=[]), r"fields\[1\].dataProviderInputs"),
        (with_field(dataProviderInputs={"secret": "secret"}), r"fields\[1\].dataProviderInputs\[0\]: must be an object"),
        (with_field(dataProviderInputs={"secret": {"mode": "secret"}}), r"dataProviderInputs\[0\].mode: must be one of static"),
        (with_field(dataProviderInputs={"who": {"mode": "static", "fieldName": 5}}), r"dataProviderInputs\[0\].fieldName"),
        (with_field(defaultValue=float("nan")), "form_schema"),
        (with_field(extra=object()), "form_schema"),
    ],
)
async def test_what_is_no_schema(store: StoreUnderTest, repositories: Repositories, schema: Any, message: str) -> None:
    """A schema that breaks a rule is refused by create and update; the error says where, and shows nothing of it."""
    form = await form_in(repositories)
    before = await everything(store.backend)
    for call in (
        form_in(repositories, form_schema=schema),
        repositories.forms.update(ORGANIZATION, form.id, form_schema=schema),
    ):
        with pytest.raises(InvalidRequestError, match=message) as caught:
            await call
        assert "form_schema" in str(caught.value)
        assert "secret" not in str(caught.value)

    assert await everything(store.backend) == before


async def test_a_schema_too_large_for_a_column(repositories: Repositories) -> None:
    """A schema of over 32,768 characters as JSON is refused, and the form stays as it was; the largest one is stored."""
    form = await form_in(repositories)
    size = 32_768 - len('{"fields": [{"name": "a", "type": "markdown", "content": ""}]}')
    for length, fits in ((size, True), (size + 1, False)):
        schema = {"fields": [{"name": "a", "type": "markdown", "content": "x" * length}]}
        if fits:
            form = await repositories.forms.update(ORGANIZATION, form.id, form_schema=schema)
        else:
            with pytest.raises(DocumentTooLargeError, match="formSchema"):
                await repositories.forms.update(ORGANIZATION, form.id, form_schema=schema)

    assert await repositories.forms.get(ORGANIZATION, form.id) == form


async def test_a_schema_that_nobody_would_write_can_be_read(store: StoreUnderTest, repositories: Repositories) -> None:
    """What other code stored is shown as it is, and everything but the schema can be changed."""
    odd = {"fields": [{"type": "signature"}, "?", {"name": "a", "type": "text"}, {"name": "a", "type": "text"}], "pages": []}
    await store.backend.create(form_record("f-1", formSchema=odd))
    await store.backend.create(form_record("f-2", formSchema={}))
    changed = await repositories.forms.update(ORGANIZATION, "f-1", name="Renamed")

    assert (changed.name, changed.form_schema) == ("Renamed", odd)
    assert ids(await repositories.forms.list(ORGANIZATION)) == ["f-2", "f-1"]
