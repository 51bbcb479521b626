"""Every question that the repositories answer about a data set, and what an answer is for comparing."""

# mypy: disable-error-code="misc"
# It cannot infer lambdas that have what they are about as a default.

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bifrost_store import GLOBAL, ExecutionFilter, ExecutionStatus, Scope
from bifrost_store.core.page import Page
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import Document, LogoShape
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError, StoreError
from bifrost_store.protocols import ExecutionRef
from bifrost_store.testing.repositories import Repositories
from tests.rows.damage import Tables

NOW: Final = datetime(2025, 11, 20, 12, tzinfo=UTC)
_SINCE: Final = NOW - timedelta(days=300)
Question = Callable[[Repositories], Awaitable[object]]
Named = frozenset[tuple[str, str, str]]
"""Documents that an answer names as unreadable, by kind, scope and id."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a store said.

    Attributes:
        items: As JSON, in order; of a single value one.
        named: What it named instead.
        error: Class of an error that it raised.
    """

    items: tuple[str, ...] = ()
    named: Named = frozenset()
    error: str = ""


class _Asker:
    """Collects questions from what occurs in the rows."""

    def __init__(self, tables: Tables) -> None:
        self.questions: dict[str, Question] = {}
        self.rows = [(table, row) for table, rows in tables.items() for row in rows]
        partitions = {row["PartitionKey"] for table, row in self.rows if table in ("Entities", "Config")}
        organizations = {key for key in partitions if re.fullmatch(r"[A-Za-z0-9-]{1,36}", key) and key not in ("GLOBAL", "SYSTEM")}
        self.organizations = sorted(organizations)
        self.scopes = [GLOBAL, *map(Scope.organization, self.organizations)]

    def tails(self, *prefixes: str) -> list[str]:
        """Return what follows a prefix in row keys."""
        keys = [row["RowKey"] for _, row in self.rows]
        return sorted({key.removeprefix(prefix) for key in keys for prefix in prefixes if key.startswith(prefix)})

    def values(self, *columns: str) -> list[str]:
        """Return the texts that occur in columns and can be identifiers."""
        found = {row[name] for _, row in self.rows for name in columns if isinstance(row.get(name), str)}
        return sorted(text for text in found if 0 < len(text) <= 128)

    def ask(self, question: Question, *about: object) -> None:
        self.questions[" ".join(map(str, about))] = question


def questions_about(tables: Tables) -> dict[str, Question]:
    """Return the questions by name: a method and what it is asked about."""
    asker = _Asker(tables)
    for add in (_executions, _people, _roles_and_forms, _settings, _rest):
        add(asker)
    return asker.questions


def _executions(a: _Asker) -> None:
    ids = sorted({tail.partition("_")[2] for tail in a.tails("execution:")})

    def paged(scope: Scope, where: ExecutionFilter, size: int) -> Question:
        return lambda r: _all_pages(lambda t: r.executions.list(scope, where, limit=size, continuation_token=t))

    for scope in a.scopes:
        for size in (3, 500):
            a.ask(paged(scope, ExecutionFilter(), size), "executions.list", scope, size)
        filters = [
            *(ExecutionFilter(statuses=[status]) for status in ExecutionStatus),
            ExecutionFilter(statuses=[ExecutionStatus.SUCCESS, ExecutionStatus.PENDING]),
            ExecutionFilter(since=NOW - timedelta(days=20), until=NOW - timedelta(days=5)),
            ExecutionFilter(until=NOW - timedelta(days=3), statuses=[ExecutionStatus.RUNNING]),
            *(ExecutionFilter(workflow=name) for name in ("", *a.values("WorkflowName")[:5])),
            *(ExecutionFilter(user=name) for name in ("", *a.values("ExecutedBy")[:5])),
            *(ExecutionFilter(form=name) for name in a.values("FormId")[:3]),
        ]
        for where in filters:
            a.ask(paged(scope, where, 4), "executions.list", scope, where)
        a.ask(lambda r, s=scope: r.executions.count_by_status(s), "executions.count_by_status", scope)
        early = NOW - timedelta(days=4)
        a.ask(lambda r, s=scope, e=early: r.executions.count_by_status(s, until=e), "executions.count_by_status", scope, early)
        a.ask(lambda r, s=scope: r.executions.statistics(s, since=_SINCE), "executions.statistics", scope)
    for number, id_ in enumerate(ids):
        scope = a.scopes[number % len(a.scopes)]
        for one in {scope, *(Scope.from_partition_key(p) for p in _partitions(a, id_))}:
            a.ask(lambda r, s=one, i=id_: r.executions.get(s, i), "executions.get", one, id_)
            a.ask(lambda r, s=one, i=id_: r.executions.get_status(s, i), "executions.get_status", one, id_)
        a.ask(lambda r, s=scope, i=id_: r.executions.load_result(ExecutionRef(s, i)), "executions.load_result", scope, id_)
    a.ask(lambda r: r.executions.stuck(now=NOW), "executions.stuck")


def _partitions(a: _Asker, id_: str) -> set[str]:
    keys = [(row["PartitionKey"], row["RowKey"]) for _, row in a.rows]
    found = {partition for partition, key in keys if key.startswith("execution:") and key.endswith(f"_{id_}")}
    return {key for key in found if key == "GLOBAL" or key in a.organizations}


def _people(a: _Asker) -> None:
    emails = [email for email in a.tails("user:") if email]
    for active in (True, False):
        a.ask(lambda r, x=active: r.organizations.list(active_only=x), "organizations.list", active)
    for id_ in sorted({*a.tails("org:"), *a.organizations}):
        a.ask(lambda r, i=id_: r.organizations.get(i), "organizations.get", id_)
        a.ask(lambda r, i=id_: r.users.list_organization(i), "users.list_organization", id_)
        a.ask(lambda r, i=id_: r.users.members(i), "users.members", id_)
    for domain in a.values("Domain"):
        a.ask(lambda r, d=domain: r.organizations.find_by_domain(d), "organizations.find_by_domain", domain)
    for by_login in (True, False):
        a.ask(lambda r, x=by_login: r.users.list(by_last_login=x), "users.list", by_login)
    for email in emails:
        a.ask(lambda r, e=email: r.users.get(e), "users.get", email)
        a.ask(lambda r, e=email: r.users.memberships(e), "users.memberships", email)
    for entra in a.values("EntraUserId"):
        a.ask(lambda r, e=entra: r.users.find_by_entra_id(e), "users.find_by_entra_id", entra)


def _roles_and_forms(a: _Asker) -> None:
    roles, forms, emails = a.tails("role:"), a.tails("form:"), a.tails("user:")
    for scope in a.scopes:
        for active in (True, False):
            a.ask(lambda r, s=scope, x=active: r.roles.list(s, active_only=x), "roles.list", scope, active)
            a.ask(lambda r, s=scope, x=active: r.forms.list(s, active_only=x), "forms.list", scope, active)
        for role in roles:
            a.ask(lambda r, s=scope, i=role: r.roles.get(s, i), "roles.get", scope, role)
            a.ask(lambda r, s=scope, i=role: r.roles.users(s, i), "roles.users", scope, role)
            a.ask(lambda r, s=scope, i=role: r.roles.forms(s, i), "roles.forms", scope, role)
        for workflow in a.values("LinkedWorkflow"):
            a.ask(lambda r, s=scope, w=workflow: r.forms.list_by_workflow(s, w), "forms.list_by_workflow", scope, workflow)
        for number, form in enumerate(forms):
            a.ask(lambda r, s=scope, i=form: r.forms.get(s, i), "forms.get", scope, form)
            if emails:
                email = emails[number % len(emails)]
                a.ask(lambda r, s=scope, e=email, f=form: r.forms.can_view(s, e, f), "forms.can_view", scope, email, form)
        for email in emails[:8]:
            a.ask(lambda r, s=scope, e=email: r.forms.visible_to(s, e), "forms.visible_to", scope, email)
            a.ask(lambda r, s=scope, e=email: r.roles.of_user(s, e), "roles.of_user", scope, email)
        for form in forms[:8]:
            a.ask(lambda r, s=scope, f=form: r.roles.of_form(s, f), "roles.of_form", scope, form)


def _settings(a: _Asker) -> None:
    keys = [key for key in a.tails("config:") if not key.startswith("oauth_")]
    names = sorted({re.sub("_(metadata|client_secret|oauth_response)$", "", key) for key in a.tails("config:oauth_")})
    for scope in a.scopes:
        for shared in (True, False):
            a.ask(lambda r, s=scope, x=shared: r.config.list(s, include_global=x), "config.list", scope, shared)
            a.ask(lambda r, s=scope, x=shared: r.oauth.list(s, include_global=x), "oauth.list", scope, shared)
            a.ask(lambda r, s=scope, x=shared: r.integrations.list(s, include_global=x), "integrations.list", scope, shared)
        for key in keys:
            a.ask(lambda r, s=scope, k=key: r.config.get(s, k), "config.get", scope, key)
        for name in names:
            a.ask(lambda r, s=scope, n=name: r.oauth.get(s, n), "oauth.get", scope, name)
        for kind in a.tails("integration:"):
            a.ask(lambda r, s=scope, k=kind: r.integrations.get(s, k), "integrations.get", scope, kind)
        a.ask(lambda r, s=scope: r.branding.get(s), "branding.get", scope)
        for shape in LogoShape:
            a.ask(lambda r, s=scope, x=shape: r.branding.read_logo(s, x), "branding.read_logo", scope, shape)


def _rest(a: _Asker) -> None:
    for key in a.tails("workflowkey:", "systemconfig:globalkey:"):
        a.ask(lambda r, k=key: r.api_keys.get(k), "api_keys.get", key)
    for revoked in (True, False):
        a.ask(lambda r, x=revoked: r.api_keys.list(include_revoked=x), "api_keys.list", revoked)
    for workflow in a.values("WorkflowId"):
        a.ask(lambda r, w=workflow: r.api_keys.list(workflow_id=w, include_revoked=True), "api_keys.list", workflow)
        a.ask(lambda r, w=workflow: r.api_keys.validate("bifrost_key_of_nobody", w), "api_keys.validate", workflow)
    for name in a.tails("schedule:"):
        a.ask(lambda r, n=name: r.schedules.get(n), "schedules.get", name)
    a.ask(lambda r: r.schedules.list(), "schedules.list")
    a.ask(lambda r: r.schedules.due(NOW + timedelta(days=1)), "schedules.due")
    for name in a.tails("jobstatus:"):
        a.ask(lambda r, n=name: r.job_statuses.get(n), "job_statuses.get", name)
    a.ask(lambda r: r.job_statuses.list(), "job_statuses.list")
    for scope in a.scopes:
        a.ask(lambda r, s=scope: r.audit.list(s, since=NOW - timedelta(days=9), until=NOW), "audit.list", scope)
        a.ask(lambda r, s=scope: _all_pages(lambda t: r.legacy_rows.list(s, continuation_token=t)), "legacy_rows.list", scope)
    a.ask(lambda r: r.audit.list_all(since=_SINCE, until=NOW), "audit.list_all")


async def _all_pages(read: Callable[[str | None], Awaitable[Page[Any]]]) -> Page[Any]:
    items: list[Any] = []
    unreadable: list[CorruptDocumentError] = []
    token: str | None = None
    while True:
        page = await read(token)
        items += page.items
        unreadable += page.unreadable
        token = page.continuation_token
        if token is None:
            return Page(tuple(items), None, tuple(unreadable))


async def answers(repositories: Repositories, questions: dict[str, Question]) -> dict[str, Answer]:
    """Put every question to a store."""
    found = await for_each(lambda question: _answer(repositories, question), list(questions.values()))
    return dict(zip(questions, found, strict=True))


async def _answer(repositories: Repositories, question: Question) -> Answer:
    try:
        found = await question(repositories)
    except CorruptDocumentError as error:
        return Answer(named=named_by([error]), error=type(error).__name__)
    except InvalidRequestError as error:
        return Answer(error=type(error).__name__)
    except StoreError as error:
        return Answer(error=type(error).__name__)
    if isinstance(found, Page):
        assert len({error.document for error in found.unreadable}) == len(found.unreadable), "a page names a document twice"
        return Answer(tuple(_plain(item) for item in found), named_by(found.unreadable))
    return Answer((_plain(found),))


def named_by(errors: Sequence[CorruptDocumentError]) -> Named:
    """Return the documents that *errors* name. One that names none, a blob's, stands for itself."""
    return frozenset(error.document or ("?", "", error.key or str(error)) for error in errors)


def _plain(value: Any) -> str:
    def default(one: Any) -> object:
        if isinstance(one, Document):
            return one.model_dump(mode="json", exclude={"etag"})
        return dataclasses.asdict(one) if dataclasses.is_dataclass(one) and not isinstance(one, type) else str(one)

    return json.dumps(value, default=default, sort_keys=True, ensure_ascii=False)
