"""Run Microsoft's own tests of azure-cosmos against the emulator; `nox -s sdk-suite` calls this.

The tests are in the SDK's source distribution on PyPI, which is unpacked into a cache folder and never committed. What fails is
compared with `sdk_suite_failures.toml`: a new failure fails the run, and so does a listed test that passes now.

    python tools/sdk_suite.py [--cache FOLDER] [--list emulator|query|all] [-k EXPRESSION]

The list `all` has every test that Microsoft marks for emulators. Some of them name `https://localhost:8081`, so that is where it is
served, and they want the account to call itself `https://127.0.0.1:8081`, as Microsoft's emulator does.
"""

# ruff: noqa: S603, T201 - it runs pip and pytest, and prints what they found.

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bifrost_store.emulator import CosmosEmulator

SDK_VERSION = "4.17.1"
SOMETIMES = "sometimes: "
"""How the reason of a test begins that fails now and then, by itself."""

FAILURES = Path(__file__).with_name("sdk_suite_failures.toml")

_BOTH = (
    "crud", "crud_container", "crud_database", "transactional_batch", "query", "query_cross_partition", "partition_key",
    "read_items", "feed_range", "change_feed", "encoding",
)  # fmt: skip
_SYNC_ONLY = ("ttl", "changefeed_partition_key_variation", "orderby", "multi_orderby", "aggregate", "crud_subpartition")


@dataclass(frozen=True)
class SuiteList:
    """One list of tests: their mark, the modules it is looked for in, how many there are, and how many must pass.

    Attributes:
        modules: All there are, if empty.
        port: Where the server has to be; 0 for anywhere.
    """

    mark: str
    modules: tuple[str, ...]
    expected: int
    required: int
    port: int = 0


LISTS = {
    "emulator": SuiteList(
        "cosmosEmulator",
        (*(f"test_{name}{kind}.py" for name in _BOTH for kind in ("", "_async")), *(f"test_{name}.py" for name in _SYNC_ONLY)),
        106,
        100,
    ),
    "query": SuiteList(
        "cosmosQuery",
        (
            *(
                f"test_{name}{kind}.py"
                for name in ("change_feed", "query", "query_cross_partition", "crud")
                for kind in ("", "_async")
            ),
            "test_orderby.py",
            "test_aggregate.py",
            "test_computed_properties.py",
            "test_computed_properties_async.py",
        ),
        142,
        138,
    ),
    "all": SuiteList("cosmosEmulator", (), 1198, 1174, port=8081),
}

_STUBS = {
    "devtools_testutils/__init__.py": "",
    "devtools_testutils/azure_recorded_testcase.py": "def get_credential(**kwargs):\n    return None\n",
    "devtools_testutils/helpers.py": "def is_live():\n    return False\n",
    # The tests know the emulator by its URL; ours is on a free port.
    "emulator_plugin.py": (
        "import os\nimport test_config\n"
        "test_config.TestConfig.is_emulator = True\n"
        "test_config.TestConfig.credential = test_config.TestConfig.masterKey\n"
        "test_config.TestConfig.credential_async = test_config.TestConfig.masterKey\n"
    ),
}


def fetch(cache: Path) -> Path:
    """Return the folder of the SDK's tests, which are downloaded where they are missing."""
    tests = cache / f"azure_cosmos-{SDK_VERSION}" / "tests"
    if not tests.exists():
        cache.mkdir(parents=True, exist_ok=True)
        options = ["--no-deps", "--no-binary", "azure-cosmos", "--quiet", "--dest", str(cache)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, f"azure-cosmos=={SDK_VERSION}"], check=True)
        with tarfile.open(cache / f"azure_cosmos-{SDK_VERSION}.tar.gz") as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
            archive.extractall(cache)  # noqa: S202 - Microsoft's, from PyPI
    for name, text in _STUBS.items():
        path = cache / "stubs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tests


def server(suite: SuiteList) -> CosmosEmulator:
    """Return the server for a list, not yet started."""
    own_name = f"https://127.0.0.1:{suite.port}/" if suite.port else None
    return CosmosEmulator(https=True, port=suite.port, public_endpoint=own_name)


def run_list(suite: SuiteList, tests: Path, cache: Path, more: list[str]) -> dict[str, str]:
    """Run one list against a fresh emulator; return each test's outcome."""
    report = cache / f"{suite.mark}.xml"
    report.unlink(missing_ok=True)
    # `tests` is not importable as a package beside ours, so pytest runs in its folder with an empty configuration.
    config = cache / "pytest.ini"
    config.write_text("[pytest]\nasyncio_mode = auto\n")
    modules = [name for name in suite.modules if (tests / name).exists()]
    command = [
        sys.executable, "-m", "pytest", "-c", str(config), "--rootdir", str(tests), "-p", "emulator_plugin",
        "-p", "no:cacheprovider", "-W", "ignore", "-q", "--timeout", "120", "-m", suite.mark, f"--junitxml={report}",
        *more, *modules,
    ]  # fmt: skip
    with server(suite) as emulator:
        endpoint = f"https://localhost:{emulator.port}/"
        environment = {
            **os.environ,
            "ACCOUNT_HOST": endpoint,
            "ACCOUNT_KEY": emulator.key,
            "PYTHONPATH": os.pathsep.join([str(cache / "stubs"), str(tests), os.environ.get("PYTHONPATH", "")]),
        }
        subprocess.run(command, cwd=tests, env=environment, check=False)
    return outcomes(report)


def outcomes(report: Path) -> dict[str, str]:
    """Return the outcome of each test in a JUnit report, passed or failed; those that the SDK itself skips are left out."""
    found: dict[str, str] = {}
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - written by pytest just now
        name = f"{case.get('classname')}::{case.get('name')}"
        tags = {child.tag for child in case}
        if "skipped" not in tags:
            found[name] = "failed" if tags & {"failure", "error"} else "passed"
    return found


def main() -> int:
    """Run the lists and compare; 0 if all is as listed and enough passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".nox") / "sdk-suite-cache")
    parser.add_argument("--list", choices=sorted(LISTS), action="append")
    parser.add_argument("-k", dest="expression")
    arguments = parser.parse_args()
    cache = arguments.cache.resolve()
    tests = fetch(cache)
    known = tomllib.loads(FAILURES.read_text())
    is_fine = True
    for name in arguments.list or ["emulator", "query"]:
        suite = LISTS[name]
        found = run_list(suite, tests, cache, ["-k", arguments.expression] if arguments.expression else [])
        is_fine = _compare(name, suite, found, known.get(name, {}), is_partial=bool(arguments.expression)) and is_fine
    return 0 if is_fine else 1


def _compare(name: str, suite: SuiteList, found: dict[str, str], known: dict[str, str], *, is_partial: bool) -> bool:
    counts = Counter(found.values())
    print(f"{name}: {counts['passed']} of {len(found)} passed, {counts['failed']} failed")
    unexpected = sorted(test for test, outcome in found.items() if outcome != "passed" and test not in known)
    recovered = sorted(test for test, why in known.items() if found.get(test) == "passed" and not why.startswith(SOMETIMES))
    for test in unexpected:
        print(f"  failed, not listed: {test}")
    for test in recovered:
        print(f"  passes now, take it off the list: {test}")
    unknown = [] if is_partial else sorted(set(known) - set(found))
    for test in unknown:
        print(f"  there is no such test, take it off the list: {test}")
    is_enough = is_partial or (counts["passed"] >= suite.required and len(found) == suite.expected)
    if not is_enough:
        print(f"  {suite.expected} tests were expected, and {suite.required} have to pass")
    return is_enough and not unexpected and not recovered and not unknown


if __name__ == "__main__":
    sys.exit(main())
