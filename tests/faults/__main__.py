"""`python -m tests.faults load`, `heat`, `faults` and `replaced`; see `running`, `heat` and `replacing`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.faults.heat import paused_long, under_heat
from tests.faults.replacing import when_replaced
from tests.faults.running import Result, under_faults, under_load, waited_long


def main() -> int:
    """Run what is asked for, say what came of it, and return 0 if all is well."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("what", choices=["load", "heat", "faults", "replaced"])
    parser.add_argument("--times", type=int, default=10, help="load and heat: how often there and back; replaced: how often")
    parser.add_argument("--seeds", type=int, default=50, help="faults: how many seeds, from 0 on")
    parser.add_argument("--seed", type=int, action="append", help="faults: only this seed (repeatable)")
    parser.add_argument("--seconds", type=float, default=30.0, help="faults: how long things befall everybody")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix=f"bifrost-{given.what}-"))
    if given.what == "load":
        result = asyncio.run(under_load(folder, times=given.times))
        result.wrong += waited_long(result)
        return _tell("load", result, folder)
    if given.what == "heat":
        result = asyncio.run(under_heat(folder, times=given.times))
        result.wrong += paused_long(result)
        return _tell("heat", result, folder)
    failed = []
    for seed in given.seed or range(given.seeds):
        own = folder / str(seed)
        own.mkdir()
        replaced = given.what == "replaced"
        run = when_replaced(own, seed, times=given.times) if replaced else under_faults(own, seed, seconds=given.seconds)
        if _tell(f"seed {seed}", asyncio.run(run), own):
            failed.append(seed)
            again = f"python -m tests.faults {given.what} --seed {seed} --seconds {given.seconds:g} --times {given.times}"
            with_nox = f"nox -s faults -- --seed {seed}, or " if given.what == "faults" else ""
            sys.stdout.write(f"replay it with: {with_nox}{again}\n")
    sys.stdout.write(f"{len(failed)} failed: {failed}\n" if failed else "every seed passed\n")
    return int(bool(failed))


def _tell(name: str, result: Result, folder: Path) -> int:
    said = ", ".join(f"{what}: {value}" for what, value in result.figures.items())
    lines = [f"{name}: {'WRONG' if result.wrong else 'passed'}; {said}"]
    if result.wrong:
        lines += [*result.lines, *result.wrong, f"logs are in {folder}"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return int(bool(result.wrong))


if __name__ == "__main__":
    sys.exit(main())
