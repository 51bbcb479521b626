"""Golden records about roles and forms that the library answers otherwise, by name, each with the reason."""

from __future__ import annotations

from tests.golden.differences import Difference

_PREFIX_LEAK = Difference(
    "The old scan also caught roles of users whose id merely begins with the wanted one, and what they open (quirk 1).",
    lambda old, ours: (old is True and ours is False) if isinstance(old, bool) else set(ours) < set(old),
)
_WORKFLOW_LEAK = Difference(
    "The old scan also caught forms of workflows whose name merely begins with the wanted one (quirk 1).",
    lambda old, ours: set(ours) < set(old),
)
_FORMS_UNSEEN = Difference(
    "The old handler looked for rows that nothing writes and never found a form (quirk 11).",
    lambda old, ours: old["formIds"] == [] != ours["formIds"] and {**ours, "formIds": []} == old,
)
_KIM = '"scope": "d4d49510-4513-49a4-9354-8b905e5c7474", "user_id": "kim.lee@contoso.co"}'
_CONTOSO = '"scope": "fdec65fe-7212-4737-b222-d7283ab5a383", "workflow_name": "sync_users"}'

DIFFERENCES: dict[str, Difference] = {
    'RoleRepository.get_user_role_ids {"user_id": "kim.lee@contoso.co"}': _PREFIX_LEAK,
    f'authorization.get_user_visible_forms {{"is_platform_admin": false, {_KIM}': _PREFIX_LEAK,
    f'authorization.can_user_view_form {{"form_id": "9504eb52-d57f-4697-8df3-17b61fb70e89", {_KIM}': _PREFIX_LEAK,
    f'authorization.can_user_view_form {{"form_id": "a5b063e5-43c3-4538-a1e3-545b9628371e", {_KIM}': _PREFIX_LEAK,
    f'FormRepository.list_forms_by_workflow {{"active_only": true, {_CONTOSO}': _WORKFLOW_LEAK,
    f'FormRepository.list_forms_by_workflow {{"active_only": false, {_CONTOSO}': _WORKFLOW_LEAK,
    'permissions.get_user_forms_handler {"user_id": "kim.lee@contoso.com"}': _FORMS_UNSEEN,
    'permissions.get_user_forms_handler {"user_id": "kim.lee@contoso.co"}': _FORMS_UNSEEN,
}
