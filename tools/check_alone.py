"""Check an environment with core, one domain package, what the two declare, and nothing else.

Usage: python -I tools/check_alone.py infonoise-vision

Imports every module of both packages, but for integrations whose library is not here, and runs each
of their commands with --help.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

PACKAGES = ("infonoise-core", "infonoise-vision", "infonoise-text", "infonoise-bio")


def is_importable(name: str) -> bool:
    """Whether a module is meant to import here: an integration bears the name of its library."""
    *_, parent, last = name.split(".")
    if parent == "integrations":
        return importlib.util.find_spec(last) is not None
    return last != "__main__"


def import_every_module(package: str) -> int:
    """Import the modules of an installed package and return how many they were."""
    root = importlib.import_module(package)
    names = [module.name for module in pkgutil.walk_packages(root.__path__, package + ".")]
    importable = [name for name in names if is_importable(name)]
    for name in importable:
        importlib.import_module(name)
    return 1 + len(importable)


def run_commands(package: str) -> list[str]:
    """Run each command that a distribution installs with --help and return their names."""
    commands = distribution(package).entry_points.select(group="console_scripts").names
    for command in sorted(commands):
        path = Path(sysconfig.get_path("scripts"), command)
        subprocess.run([path, "--help"], check=True, stdout=subprocess.DEVNULL)
    return sorted(commands)


def main(argv: list[str]) -> int:
    """Check the package named on the command line; 0 if all is well, 2 if the call is wrong."""
    if len(argv) != 1 or argv[0] not in PACKAGES[1:]:
        print(f"error: name one of {', '.join(PACKAGES[1:])}", file=sys.stderr)
        return 2
    here = ("infonoise-core", argv[0])
    for package in PACKAGES:
        installed = importlib.util.find_spec(package.replace("-", "_")) is not None
        if installed != (package in here):
            state = "is" if installed else "is not"
            print(f"error: {package} {state} installed here", file=sys.stderr)
            return 1
    for package in here:
        count = import_every_module(package.replace("-", "_"))
        commands = ", ".join(run_commands(package)) or "none"
        print(f"{package}: {count} modules imported; commands: {commands}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
