"""Makes the demo's data set: a small platform in today's layout, the same at every run.

``python -m bifrost_store.demo.generator DIR`` writes it as ``tables/<Table>.jsonl``, ``blobs/`` and ``blobs.jsonl``.
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bifrost_store.core.files import make_private_folder, open_private
from bifrost_store.transfer.blobs import BlobFiles

Row = dict[str, Any]

NOW = datetime(2025, 11, 20, 12, 0, 0)  # noqa: DTZ001 - today's layout keeps naive UTC
_SEED = 20251120
_LAST_MS = 9_999_999_999_999
ORGANIZATIONS = (("Juniper Clinics", "juniper.example"), ("Harbour Legal – Zürich", "harbour.example"), ("Old Mill", None))
ADMINS = ("ada@msp.example", "ben@msp.example")
NAMES = ("kim.lee", "sam.o'neil", "ana", "José", "li.wei", "pat", "robin")
WORKFLOWS = ("sync_users", "sync_users_daily", "user_onboarding", "license_report")
_EXECUTIONS_PER_SCOPE = 16
_LIVE = ("Pending", "Running", "Cancelling")
_ENDS = ("Success", "Success", "Success", "Failed", "Timeout", "CompletedWithErrors", "Cancelled")


class Generator:
    """Collects rows and blobs; every choice comes from one seeded source."""

    def __init__(self) -> None:
        self._random = random.Random(_SEED)  # noqa: S311 - reproducible, not secret
        self.tables: dict[str, list[Row]] = {name: [] for name in ("AuditLog", "Config", "Entities", "Relationships")}
        self.blobs: list[tuple[str, bytes]] = []

    def run(self) -> None:
        """Make the whole data set."""
        organizations = [self._organization(number, *names) for number, names in enumerate(ORGANIZATIONS)]
        for number, email in enumerate(ADMINS):
            self._user(email, number, organization=None)
        for number, (organization, domain) in enumerate(organizations):
            people = [f"{name}@{domain or 'oldmill.example'}" for name in NAMES[number : number + 5]]
            for order, email in enumerate(people):
                self._user(email, order, organization)
            self._configuration(organization, number)
            self._executions(organization, people)
        self._configuration("GLOBAL", 0)
        self._executions("GLOBAL", [*ADMINS, "system:scheduler"])
        self._unclaimed(organizations[0][0])

    def _id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _organization(self, number: int, name: str, domain: str | None) -> tuple[str, str | None]:
        organization = self._id()
        created = _text(NOW - timedelta(days=90 - number))
        columns = {"Name": name, "Domain": domain, "IsActive": number != len(ORGANIZATIONS) - 1, "CreatedBy": ADMINS[0]}
        self._row("Entities", "GLOBAL", f"org:{organization}", CreatedAt=created, UpdatedAt=created, **columns)
        return organization, domain

    def _user(self, email: str, number: int, organization: str | None) -> None:
        created = NOW - timedelta(days=60, minutes=7 * number)
        self._row(
            "Entities",
            "GLOBAL",
            f"user:{email}",
            Email=email,
            DisplayName=email.partition("@")[0].replace(".", " ").title(),
            UserType="PLATFORM" if organization is None else "ORG",
            IsPlatformAdmin=organization is None,
            IsActive=number != len(NAMES) - 1,
            CreatedAt=_text(created),
            LastLogin=_text(NOW - timedelta(hours=5 * number, microseconds=17)),
            EntraUserId=self._id() if number % 2 else None,
        )
        if organization is not None:
            columns = {"UserId": email, "OrganizationId": organization, "CreatedAt": _text(created), "CreatedBy": "system"}
            self._row("Relationships", "GLOBAL", f"userperm:{email}:{organization}", **columns)
            self._row("Relationships", "GLOBAL", f"orgperm:{organization}:{email}", **columns)

    def _configuration(self, scope: str, number: int) -> None:
        values: list[tuple[str, str, str]] = [("time_zone", "string", ("Europe/Berlin", "Europe/Zurich", "UTC")[number])]
        if scope == "GLOBAL":
            values += [
                ("max_retries", "int", "3"),
                ("maintenance", "bool", "false"),
                ("feature_flags", "json", json.dumps({"new_editor": True, "rate": 0.25, "Größe": 2**60})),
                ("smtp_password", "secret_ref", f"bifrost-global-smtp-password-{self._id()}"),
            ]
        for key, kind, value in values:
            updated = _text(NOW - timedelta(days=30))
            self._row("Config", scope, f"config:{key}", Value=value, Type=kind, UpdatedAt=updated, UpdatedBy=ADMINS[0])

    def _executions(self, scope: str, people: list[str]) -> None:
        form = self._id()
        for number in range(_EXECUTIONS_PER_SCOPE):
            started = NOW - timedelta(hours=9 * number, seconds=self._random.randrange(3000), microseconds=number * 1001)
            status = _LIVE[number] if number < len(_LIVE) else self._random.choice(_ENDS)
            self._execution(scope, self._random.choice(people), started, status, form if number % 3 == 0 else None)

    def _execution(self, scope: str, user: str, started: datetime, status: str, form: str | None) -> None:
        execution = self._id()
        duration = self._random.randrange(80, 9000)
        has_duration = status not in (*_LIVE, "Timeout")
        ended = status not in ("Pending", "Running")
        shown: Row = {
            "WorkflowName": self._random.choice(WORKFLOWS),
            "FormId": form,
            "ExecutedBy": user,
            "ExecutedByName": user.partition("@")[0],
            "Status": status,
            "StartedAt": _text(started),
        }
        end: Row = {
            "CompletedAt": _text(started + timedelta(milliseconds=duration)) if ended else None,
            "DurationMs": duration if has_duration else None,
            "ErrorMessage": f"Mailbox {duration} was not found – übersprungen" if status in ("Failed", "Timeout") else None,
        }
        result, is_in_blob = self._result(execution, status)
        key = f"execution:{_LAST_MS - int((started - datetime(1970, 1, 1)).total_seconds() * 1000)}_{execution}"  # noqa: DTZ001
        given = json.dumps({"dry_run": duration % 2 == 0, "batch": duration, "ratio": duration / 7})
        self._row(
            "Entities",
            scope,
            key,
            ExecutionId=execution,
            InputData=given,
            ResultInBlob=is_in_blob,
            Result=result,
            **shown,
            **end,
        )
        self._index_rows(scope, execution, shown, end)
        if status == "Success" and duration % 2:
            entry = {"timestamp": _text(started), "level": "info", "message": "Bearbeitet: 3 Einträge", "source": "workflow"}
            self.blobs.append((f"{execution}/logs.json", json.dumps([entry], indent=2).encode()))

    def _result(self, execution: str, status: str) -> tuple[str | None, bool]:
        if status not in ("Success", "CompletedWithErrors"):
            return None, False
        choice = self._random.randrange(3)
        if choice == 0:
            return json.dumps({"success": status == "Success", "count": self._random.randrange(100)}), False
        if choice == 1:
            return "Done. ✓", False
        rows = "".join(f"<tr><td>{number}</td></tr>" for number in range(80))
        self.blobs.append((f"{execution}/result.html", f"<table>{rows}</table>".encode()))
        return None, True

    def _index_rows(self, scope: str, execution: str, shown: Row, end: Row) -> None:
        identity = {"ExecutionId": execution, "OrganizationId": None if scope == "GLOBAL" else scope}
        keys = {
            "ExecutedBy": f"userexec:{shown['ExecutedBy']}:{execution}",
            "WorkflowName": f"workflowexec:{shown['WorkflowName']}:{scope}:{execution}",
            "FormId": f"formexec:{shown['FormId']}:{execution}",
        }
        for column, key in keys.items():
            if shown[column] is not None:
                copies = {name: value for name, value in shown.items() if name != column}
                self._row("Relationships", "GLOBAL", key, **identity, **copies, **end)
        if shown["Status"] in _LIVE:
            copies = {name: value for name, value in shown.items() if name != "FormId"}
            changed = end["CompletedAt"] or shown["StartedAt"]
            self._row("Relationships", "GLOBAL", f"status:{shown['Status']}:{execution}", **identity, **copies, UpdatedAt=changed)

    def _unclaimed(self, organization: str) -> None:
        self._row("Entities", organization, f"role:{self._id()}", Name="Front office", IsActive=True, CreatedBy=ADMINS[0])
        self._row("Relationships", "GLOBAL", "assignedrole:1:2", RoleId="2")
        self._row("AuditLog", "2025-11-19", f"8236400000000_{uuid.UUID(int=7).hex}", EventType="cross_org_access", StatusCode=403)

    def _row(self, table: str, partition_key: str, row_key: str, **columns: Any) -> None:
        row: Row = {"PartitionKey": partition_key, "RowKey": row_key}
        for name, value in columns.items():
            if value is not None:
                row[name] = value
                if isinstance(value, bool):
                    row[f"{name}@odata.type"] = "Edm.Boolean"
                elif isinstance(value, int):
                    row[f"{name}@odata.type"] = "Edm.Int32"
        self.tables[table].append(row)

    def write(self, folder: Path) -> None:
        """Write what was made below *folder*."""
        make_private_folder(folder / "tables")
        for table, rows in self.tables.items():
            ordered = sorted(rows, key=lambda row: (row["PartitionKey"], row["RowKey"]))
            lines = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in ordered]
            with open_private(folder / "tables" / f"{table}.jsonl", "wb") as file:
                file.write("".join(lines).encode())
        files = BlobFiles(folder)
        files.begin()
        for name, data in sorted(self.blobs):
            files.write("execution-data", name, "application/octet-stream", data)


def _text(moment: datetime) -> str:
    return moment.isoformat()


def main() -> None:
    """Write the data set into the folder that the command line names."""
    generator = Generator()
    generator.run()
    generator.write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
