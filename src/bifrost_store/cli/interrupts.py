"""Ctrl-C: one line that says what is saved and how to go on. Imports next to nothing: it is told while others are imported."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

EXIT: Final = 130
"""128 and the number of the signal, as shells have it."""
_UNCHANGED: Final = "nothing was changed; give the command again"
_KEPT: Final = "nothing is lost, and what was done is saved"
_GOES_ON: Final = "the same command goes on where it stopped"
_SAVED: Final[Mapping[str, str]] = {
    "": f"nothing was begun, {_UNCHANGED}",
    "init": "what was made stays; the same command makes the rest",
    "repair": "what was repaired stays so; the same command looks through everything again and repairs the rest",
    "purge": "what was removed stays so; the same command removes the rest",
    "dump": f"what was written is saved; {_GOES_ON}",
    "load": f"what was loaded stays, and is noted; {_GOES_ON}",
    "tables dump": "what was written is a part, which nothing goes on from; empty the folder, or name another, and give it again",
    "tables load": "what was loaded stays; the same command loads everything again, which changes nothing of that",
    **{f"migrate {step}": f"{_KEPT}; {_GOES_ON}" for step in ("start", "backfill", "cutover", "rollback", "abandon", "finish")},
    "console": "the console has ended, and every session with it; the same command starts another",
    **{f"metrics {step}": "what was counted is saved; the same command counts again" for step in ("rollup", "rebuild")},
    "feed run": f"{_KEPT}; {_GOES_ON}",
    "feed dead-letters": "what was handled is forgotten, the rest stays; the same command goes on with it",
    "sample-data": "what was made stays; with --add the same command makes more",
    "doctor": "a probe may be left where it wrote, which nothing reads; the same command examines everything again",
    "migrate verify": f"{_KEPT}; a verification starts over, as it must be of one piece",
    "migrate run": f"{_KEPT}; {_GOES_ON}, but for a verification, which starts over",
}
"""By command. Those that are not named change nothing."""


class Interrupted(BaseException):
    """A command was interrupted.

    Args:
        command: Which; empty before one began.
        again: The command line that goes on; by default the one that was given, without `--restart`.
        values: Of the JSON object.
    """

    def __init__(self, command: str = "", again: str | None = None, values: Mapping[str, object] | None = None) -> None:
        import shlex

        self.message = f"interrupted: {_SAVED.get(command, _UNCHANGED)}"
        self.next = again or shlex.join(["bifrost-store", *(word for word in sys.argv[1:] if word != "--restart")])
        self.values = {**(values or {}), "ok": False, "next": self.next, "error": {"type": "Interrupted", "message": self.message}}
        super().__init__(f"{self.message}: {self.next}")

    def tell(self) -> None:
        """Print it: one line on stderr, and with ``--json`` one object on stdout."""
        import json

        if "--json" in sys.argv:
            print(json.dumps(self.values), flush=True)  # noqa: T201 - data goes to stdout
        print(self, file=sys.stderr, flush=True)  # noqa: T201 - nothing else may be imported yet
