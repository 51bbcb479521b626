"""What users of other consoles complain about, and which test holds that ours does not do it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
COMPLAINTS = {
    "no history before now on a live run (kestra-io/kestra#4198)": "test_a_live_run_opens_at_its_end_with_all_that_was_before",
    "not knowing whether all lines are there (kestra-io/kestra#7226)": "test_what_is_missing_is_said",
    "large logs freeze the tab (apache/airflow#54717, #52772, dagster-io/dagster#7821)": "test_a_run_of_200_000_lines_is_at_hand",
    "filters with no level chosen look like no logs (dagster-io/dagster#22605)": "test_levels_are_chosen_and_never_leave_a_riddle",
    "errors only, and the first error (dagster-io/dagster#12741)": "test_a_failed_run_opens_at_its_first_error",
    "search only in what is loaded (PrefectHQ/prefect#10805)": "test_all_lines_are_searched",
    "no download (PrefectHQ/prefect#16093)": "test_lines_are_copied_and_downloaded_whole",
    "time zones differ between panels (apache/airflow#52056, temporalio/ui#1964)": "test_one_zone_holds_for_every_time",
    "escape codes and progress bars (portainer/portainer#1654, dagster-io/dagster#13026)": "test_hostile_text_is_text",
    "attempts run together (PrefectHQ/prefect#15731)": "test_recordings_are_told_apart",
    "no logs while pending (PrefectHQ/prefect#9300)": "test_nothing_yet_is_said",
    "no way to the top or end (PrefectHQ/prefect#9196)": "test_the_keyboard_suffices",
    "copying from a virtual list (apache/airflow#55173)": "test_what_is_selected_is_copied_whole",
    "screen readers (dotnet/aspire#1124)": "test_new_lines_are_told_politely",
}
TESTS = {name for path in FOLDER.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))}


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_each_complaint_has_a_test(complaint: str) -> None:
    """The test that is named exists."""
    assert COMPLAINTS[complaint] in TESTS
