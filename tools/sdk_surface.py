"""What the public interface of the SDKs is, and what changed in it; `nox -s newest` calls this.

python tools/sdk_surface.py --write FILE PACKAGE...     write down what is installed
python tools/sdk_surface.py --compare FILE PACKAGE...   say what is different now: versions, names, signatures
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType


def surface(package: str) -> Iterator[str]:
    """Yield a line for the version of *package*, and one for each public name in it."""
    yield f"{package} {metadata.version(package)}"
    for module in _modules(package.replace("-", ".")):
        for name in sorted(getattr(module, "__all__", ())):
            with contextlib.suppress(ImportError, AttributeError):  # it wants a package that nobody here uses
                yield from _lines(f"{module.__name__}.{name}", getattr(module, name))


def _modules(name: str) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    yield module
    for found in sorted(pkgutil.iter_modules(getattr(module, "__path__", [])), key=lambda each: each.name):
        if not found.name.startswith("_"):
            with contextlib.suppress(ImportError):
                yield from _modules(f"{name}.{found.name}")


def _lines(name: str, value: object) -> Iterator[str]:
    yield f"{name}{_signature(value)}"
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__mro__[1:-1])
        yield f"{name} is a {bases}" if bases else name
        for member, found in sorted(vars(value).items()):
            if not member.startswith("_") and callable(found):
                yield f"{name}.{member}{_signature(found)}"


def _signature(value: object) -> str:
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    # Defaults that print an address differ from one process to the next.
    return "(" + ", ".join(str(each.replace(default=inspect.Parameter.empty)) for each in signature.parameters.values()) + ")"


def main() -> int:
    """Write the surface, or say what is different; 0 either way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path)
    what.add_argument("--compare", type=Path)
    parser.add_argument("packages", nargs="+")
    given = parser.parse_args()
    lines = [line for package in given.packages for line in surface(package)]
    if given.write:
        given.write.write_text("\n".join(lines) + "\n", "utf-8")
        return 0
    before = given.compare.read_text("utf-8").splitlines()
    changed = [line for line in difflib.unified_diff(before, lines, n=0, lineterm="") if line[:3] not in ("---", "+++")]
    sys.stdout.writelines(f"{line}\n" for line in changed if line[:2] != "@@")
    sys.stdout.write(f"{len(changed)} lines are different\n" if changed else "nothing changed: the tested SDKs are the newest\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
