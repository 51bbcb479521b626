"""Golden records about OAuth connections, branding and integrations that the library answers otherwise, each with the reason."""

from __future__ import annotations

from typing import Any

from tests.golden.differences import Difference

Answer = Any

_MADE_UP = ("client_secret_ref", "oauth_response_ref", "last_refresh_at", "created_at", "created_by", "updated_at")


def _stored(answer: Answer) -> Answer:
    if isinstance(answer, list):
        return [_stored(connection) for connection in answer]
    return {name: value for name, value in answer.items() if name not in _MADE_UP}


def _without_hidden(answer: Answer) -> Answer:
    own = {connection["connection_name"] for connection in answer if connection["org_id"] != "GLOBAL"}
    return [one for one in answer if one["org_id"] != "GLOBAL" or one["connection_name"] not in own]


_MADE_UP_FIELDS = Difference(
    "The old application answered some fields without looking: as references the keys of configuration rows, whether there or not; "
    "as last refresh nothing; as creation and change the moment of reading, by `system`. Ours are what is stored: the names of Key "
    "Vault secrets, real times, and nothing where nothing was kept.",
    lambda old, ours: _stored(old) == _stored(ours),
)
_HIDDEN = Difference(
    "The old list did not hide a GLOBAL connection behind the organization's own of the same name; for the fields, see the others.",
    lambda old, ours: len(ours) == len(old) - 1 and _stored(_without_hidden(old)) == _stored(ours),
)
_CONTOSO = "fdec65fe-7212-4737-b222-d7283ab5a383"
_FABRIKAM = "d4d49510-4513-49a4-9354-8b905e5c7474"
_NORTHWIND = "0a3bf4d9-c097-4e13-89a5-b1d8560d8297"
_TAILSPIN = "ab00ca3e-e989-4e77-b218-d06eec35bea1"
_SCOPES = ("GLOBAL", _CONTOSO, _FABRIKAM, _NORTHWIND, _TAILSPIN)


def _get(name: str, scope: str) -> str:
    return f'OAuthRepository.get_connection {{"connection_name": "{name}", "now": "2025-11-20T12:00:00", "org_id": "{scope}"}}'


def _list(scope: str) -> str:
    return f'OAuthRepository.list_connections {{"include_global": true, "now": "2025-11-20T12:00:00", "org_id": "{scope}"}}'


DIFFERENCES: dict[str, Difference] = {
    **{_get(name, scope): _MADE_UP_FIELDS for name in ("HaloPSA", "Microsoft_Graph") for scope in _SCOPES},
    _get("clio-legal", _FABRIKAM): _MADE_UP_FIELDS,
    **{_list(scope): _MADE_UP_FIELDS for scope in _SCOPES if scope != _CONTOSO},
    _list(_CONTOSO): _HIDDEN,
}
