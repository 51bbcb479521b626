"""Check the models in models/ with spin; `nox -s models` calls this.

Each check is exhaustive for the sizes it names. Each mutation leaves out one rule of the protocol, and spin must find what then
goes wrong: a check that cannot fail shows nothing. The exit status is 1 if any result differs from what is expected, 2 without
spin.

    python tools/check_models.py [--quick] [--jobs N] [--only TEXT] [--trail FOLDER]
"""

# ruff: noqa: S603, T201 - it runs spin and a compiler, and prints what they found.

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).parents[1] / "models" / "handover.pml"
HOLDS = "holds"
LIMIT_SECONDS = 600
MEMORY_MEGABYTES = 7_500

PROPERTIES = {
    "epoch_now": "two primaries",
    "shown": "write lost",
    "busy": "waits for ever",
    "move": "left prepared",
    ".write": "stores differ",
    "control[0].epoch": "half a commit",
    "acceptance cycle": "waits for ever",
    "invalid end state": "deadlock",
}
"""What each assertion of the model says when it fails, found by a piece of its text; the first that fits."""


@dataclass(frozen=True)
class Check:
    """One run of spin.

    Attributes:
        sizes: Definitions, without ``-D``.
        expected: `HOLDS`, or the property that must be refuted.
        claim: Name of the temporal property; empty: assertions and deadlocks.
        is_quick: Part of ``--quick``.
    """

    sizes: str
    expected: str = HOLDS
    claim: str = ""
    is_quick: bool = False

    @property
    def name(self) -> str:
        return f"{self.sizes or 'as it is'}{f' [{self.claim}]' if self.claim else ''}"


@dataclass(frozen=True)
class Result:
    """What spin found, and what it took."""

    check: Check
    found: str
    states: int
    depth: int
    seconds: float
    megabytes: float


CHECKS = (
    # One hand-over, two processes, one lease that runs out.
    Check("", is_quick=True),
    Check("ZOMBIES"),
    Check("ZOMBIES LAPSES=2"),
    Check("READS"),
    Check("READS FAULTS=1"),
    Check("CRASHES=1"),
    Check("PROCESSES=3 LAPSES=0 ATTEMPTS=1"),
    # There and back.
    Check("HANDOVERS=2"),
    Check("HANDOVERS=2 LAPSES=0 FAULTS=1"),
    Check("FINISH HANDOVERS=2"),
    Check("ABANDON"),
    # Before the migration: start, backfill, cut-over; a process whose flag differs.
    Check("START ZOMBIES HANDOVERS=2 ATTEMPTS=3"),
    Check("START FLAGS HANDOVERS=2"),
    # Journal and repair.
    Check("READS FAULTS=2 LAPSES=0"),
    Check("FAULTS=2 REPAIRS=1 LAPSES=0"),
    # Two coordinators at once.
    Check("COORDINATORS=2 LAPSES=0"),
    Check("COORDINATORS=2 PROCESSES=1 HANDOVERS=2"),
    Check("COORDINATORS=2 PROCESSES=1 FAULTS=1"),
    # The old primary is dead.
    Check("TAKEOVER COORDINATORS=0"),
    Check("TAKEOVER LAPSES=0"),
    Check("TAKEOVER ABANDON LAPSES=0 ATTEMPTS=1 ZOMBIES"),
    Check("TAKEOVER LAPSES=0 ATTEMPTS=1 ZOMBIES FAULTS=1"),
    Check("FINISH TAKEOVER HANDOVERS=3 LAPSES=0 PROCESSES=1", is_quick=True),
    Check("FINISH TAKEOVER HANDOVERS=3 LAPSES=0 ATTEMPTS=1"),
    # The target is emptied, or another takes its place, and the former one comes back.
    Check("REPLACED LAPSES=0"),
    Check("REPLACED PROCESSES=1", is_quick=True),
    Check("REPLACED READS LAPSES=0 PROCESSES=1"),
    Check("REPLACED WRITES=2 HANDOVERS=4 ATTEMPTS=3 LAPSES=0 PROCESSES=1"),
    Check("REPLACED COORDINATORS=2 CRASHES=1 LAPSES=0 PROCESSES=1"),
    Check("REPLACED RETURNS HANDOVERS=4 ATTEMPTS=3 LAPSES=0 PROCESSES=1"),
    Check("REPLACED EARLY MUTATE_NO_FORCED_ROLLBACK LAPSES=0"),
    # Killed for good, and nobody waits for ever.
    Check("FREEZES=1 LAPSES=0 CRASHES=1", is_quick=True),
    Check("LIVENESS ANNOUNCE FREEZES=1 LAPSES=0 CRASHES=1", claim="answered"),
    Check("LIVENESS ANNOUNCE FREEZES=1 LAPSES=0 CRASHES=1", claim="resumes", is_quick=True),
    # What is not promised: see "What is left" in the documentation.
    Check("READS ZOMBIES", "write lost"),
    Check("REPLACED FAULTS=1 LAPSES=0 PROCESSES=1", "write lost"),
)

MUTATIONS = (
    Check("MUTATE_NO_DRAIN", "two primaries", is_quick=True),
    Check("MUTATE_NO_LEASE_CHECK", "two primaries"),
    Check("MUTATE_ACK_ACROSS_REJOIN", "two primaries"),
    Check("MUTATE_SETTLE_WHILE_PREPARED", "two primaries"),
    Check("MUTATE_NO_WATCH", "two primaries"),
    Check("START MUTATE_NO_FENCE", "two primaries", is_quick=True),
    Check("MUTATE_NO_COMPARISON MUTATE_NO_FENCE FAULTS=1", "two primaries"),
    Check("MUTATE_READ_BEFORE_JOIN", "two primaries"),
    Check("MUTATE_RESUME_UNREAD", "two primaries"),
    Check("MUTATE_REUSE_ATTEMPT", "two primaries"),
    Check("MUTATE_BLIND_COMMIT", "two primaries"),
    Check("MUTATE_BLIND_COMPLETION COORDINATORS=2 PROCESSES=1 HANDOVERS=2 LAPSES=0", "two primaries"),
    Check("READS MUTATE_NO_COMPARISON", "write lost", is_quick=True),
    Check("MUTATE_NO_JOURNAL FAULTS=1 LAPSES=0", "stores differ"),
    Check("MUTATE_NO_JOURNAL_CHECK FAULTS=1 LAPSES=0", "write lost", is_quick=True),
    Check("MUTATE_JOURNAL_FIRST FAULTS=1 LAPSES=0", "write lost"),
    Check("MUTATE_OWES_NOTHING READS FAULTS=2 LAPSES=0", "stores differ"),
    Check("MUTATE_BLIND_APPLY", "stores differ"),
    Check("MUTATE_REMOVE_BLINDLY FAULTS=2 REPAIRS=1 LAPSES=0", "stores differ"),
    Check("MUTATE_REPAIR_READS_FIRST FAULTS=2 REPAIRS=1 LAPSES=0", "stores differ"),
    Check("MUTATE_PRIMARY_READ_FIRST FAULTS=2 REPAIRS=1 LAPSES=0", "stores differ"),
    Check("MUTATE_COMPARE_STALE FAULTS=2 REPAIRS=1 LAPSES=0", "write lost"),
    Check("MUTATE_COMPARE_STALE COORDINATORS=2 PROCESSES=1 FAULTS=1", "write lost"),
    Check("MUTATE_STALE_BASE ZOMBIES WRITES=2", "stores differ"),
    Check("MUTATE_SETTLE_WITHOUT_SECONDARY START ZOMBIES HANDOVERS=2 ATTEMPTS=3", "stores differ"),
    Check("MUTATE_TARGET_UNASKED START FLAGS", "two primaries"),
    Check("MUTATE_TARGET_UNTOLD MUTATE_TARGET_UNASKED START FLAGS", "two primaries"),
    Check("MUTATE_ONE_COPY TAKEOVER COORDINATORS=0", "two primaries"),
    Check("MUTATE_ONE_COPY FINISH TAKEOVER HANDOVERS=3 LAPSES=0 PROCESSES=1", "two primaries"),
    Check("MUTATE_TAKEOVER_AT_ONCE TAKEOVER COORDINATORS=0", "two primaries"),
    Check("MUTATE_TAKEOVER_NEXT_EPOCH TAKEOVER ABANDON LAPSES=0", "two primaries"),
    Check("MUTATE_TAKEOVER_ALWAYS TAKEOVER LAPSES=0", "two primaries"),
    Check(
        "REPLACED EARLY MUTATE_COPY_BY_SOURCE MUTATE_NO_COPY_CHECK MUTATE_NO_FORCED_ROLLBACK LAPSES=0",
        "waits for ever",
        is_quick=True,
    ),
    Check("REPLACED MUTATE_NO_FORCED_ROLLBACK LAPSES=0", "waits for ever"),
    Check("REPLACED MUTATE_VERIFIED_BEFORE LAPSES=0", "write lost"),
    Check("REPLACED RETURNS MUTATE_SAME_ID HANDOVERS=4 ATTEMPTS=3 LAPSES=0 PROCESSES=1", "two primaries"),
    Check("MUTATE_NO_CALL_OFF CRASHES=1", "waits for ever"),
    Check("MUTATE_NO_CALL_OFF LIVENESS FREEZES=1 LAPSES=0 CRASHES=1", "waits for ever", claim="resumes"),
)


def run(check: Check, trails: Path | None) -> Result:
    """Make a verifier of the model in a folder of its own, and run it to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(MODEL, folder / MODEL.name)
        definitions = [f"-D{one}" for one in check.sizes.split()]
        _call(["spin", "-a", *definitions, MODEL.name], folder)
        kind = ["-DNFAIR=3"] if check.claim else ["-DSAFETY"]
        # The compiler takes longer than most verifiers run, so that better code costs more than it gives.
        memory = [f"-DMEMLIM={MEMORY_MEGABYTES}", "-DCOLLAPSE", "-DVECTORSZ=2048"]
        _call(["gcc", "-O0" if check.is_quick else "-O1", "-w", *kind, *memory, "-o", "pan", "pan.c"], folder)
        begin = time.monotonic()
        claim = ["-a", "-f", "-N", check.claim] if check.claim else []
        output = _call(["./pan", "-m500000", *claim], folder, limit_seconds=LIMIT_SECONDS)
        seconds = time.monotonic() - begin
        if trails is not None and (trail := folder / f"{MODEL.name}.trail").exists():
            trails.mkdir(parents=True, exist_ok=True)
            replay = _call(["spin", "-t", "-p", "-g", *definitions, MODEL.name], folder)
            (trails / f"{check.name.replace(' ', '_')}.txt").write_text(replay, "utf-8")
            shutil.copy(trail, trails / f"{check.name.replace(' ', '_')}.trail")
    return Result(
        check,
        _found(output),
        int(_number(r"(\d+) states, stored", output)),
        int(_number(r"depth reached (\d+)", output)),
        seconds,
        _number(r"([\d.]+)\s+total actual memory", output),
    )


def _found(output: str) -> str:
    if "errors: 0" in output:
        is_whole = "Search not completed" not in output and "max search depth too small" not in output
        return HOLDS if is_whole else "not finished"
    failure = next((line for line in output.splitlines() if line.startswith("pan:1:")), "")
    return next((what for piece, what in PROPERTIES.items() if piece in failure), failure or "not finished")


def _number(pattern: str, output: str) -> float:
    match = re.search(pattern, output)
    return float(match[1]) if match else 0


def _call(command: list[str], folder: Path, *, limit_seconds: float = 120) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=limit_seconds, check=False)
    except subprocess.TimeoutExpired:
        return "Search not completed"
    if done.returncode != 0 and command[0] != "./pan":
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    """Run what is asked for, print a line for each, and say whether all is as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few checks and mutations, in under a minute")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--only", default="", help="those whose definitions contain this text")
    parser.add_argument("--trail", type=Path, help="folder for the steps that lead to what was refuted")
    arguments = parser.parse_args()
    missing = [program for program in ("spin", "gcc") if shutil.which(program) is None]
    if missing:
        print(f"Missing: {', '.join(missing)}. On Debian: apt-get install spin gcc libc6-dev", file=sys.stderr)
        return 2
    checks = [one for one in CHECKS + MUTATIONS if arguments.only in one.sizes and (one.is_quick or not arguments.quick)]
    if not checks:
        print(f"No check has {arguments.only!r} in its definitions", file=sys.stderr)
        return 2
    width = max(len(one.name) for one in checks)
    print(f"{'model':{width}}  {'states':>10}  {'depth':>5}  {'seconds':>7}  {'MB':>5}  result")
    failures = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for result in pool.map(lambda one: run(one, arguments.trail), checks):
            is_expected = result.found == result.check.expected
            failures += not is_expected
            verdict = result.found if result.found == HOLDS else f"refuted: {result.found}"
            figures = f"{result.states:>10,}  {result.depth:>5}  {result.seconds:>7.1f}  {result.megabytes:>5.0f}"
            wanted = "" if is_expected else f"   NOT EXPECTED: {result.check.expected}"
            print(f"{result.check.name:{width}}  {figures}  {verdict}{wanted}", flush=True)
    print(f"{len(checks)} runs, {failures} not as expected")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
