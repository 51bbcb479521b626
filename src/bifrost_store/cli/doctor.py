"""``doctor``: what a store needs to work, each point with its remedy."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from bifrost_store.cli.output import JsonOption, one_line, out, report, run
from bifrost_store.errors import ConfigurationError

if TYPE_CHECKING:
    from bifrost_store.doctor.findings import Finding

_STYLES = {"ok": "green", "warning": "yellow", "wrong": "red"}


def doctor(*, as_json: JsonOption = False) -> None:
    """Examine settings, packages, access, layout, clocks, processes and migration; say of each what to do.

    Writes a record and a blob of its own into each store, and removes both. Changes nothing else.
    """
    from bifrost_store.doctor.examining import examine
    from bifrost_store.doctor.findings import Finding, State, is_well
    from bifrost_store.settings import StoreSettings

    try:
        settings = StoreSettings.from_environment()
    except ConfigurationError as error:
        _show([Finding("settings", "environment", State.WRONG, str(error), "correct the variable that is named")], as_json=as_json)
        raise typer.Exit(2) from None
    findings = run(lambda: examine(settings))
    _show(findings, as_json=as_json)
    if not is_well(findings):
        raise typer.Exit(1)


def _show(findings: list[Finding], *, as_json: bool) -> None:
    from rich.text import Text

    from bifrost_store.doctor.findings import is_well

    if as_json:
        values = [{**asdict(one), "message": one_line(one.message)} for one in findings]
        report({"ok": is_well(findings), "findings": values}, as_json=True, lines=[])
        return
    for finding in findings:
        state = (f"{finding.state:7}", _STYLES[finding.state])
        out.print(Text.assemble(state, f" {finding.check}: {finding.place}: {one_line(finding.message)}"))
        if finding.remedy:
            out.print(Text(f"        remedy: {finding.remedy}"))
    counts = {state: sum(finding.state == state for finding in findings) for state in _STYLES}
    out.print(f"{counts['ok']} fine, {counts['warning']} warnings, {counts['wrong']} wrong", markup=False)
