"""Run a domain package's tests against the oldest and the newest release of core in its range.

Usage: python tools/check_core_range.py infonoise-vision [-- PYTEST OPTIONS]

The range stands in the package's pyproject.toml, the releases are the tags infonoise-core-v* of the
repository: core is taken out of each into a temporary folder that comes first on the path. As long
as no release lies in the range, the core of the checkout is what is tested, and that is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]
CORE = "infonoise-core"
SOURCE = f"packages/{CORE}/src"
DOMAINS = ("infonoise-vision", "infonoise-text", "infonoise-bio")
WHICH = "import infonoise_core as c; print(c.__version__, c.__file__)"
QUICK = ("-m", "not slow and not data", "-q")


def main(argv: Sequence[str], root: Path = ROOT) -> int:
    """Test the package named; 0 if its tests pass against each core, 1 if not, 2 for no package."""
    package, options = (argv[0] if argv else ""), list(argv[1:])
    if package not in DOMAINS or (options and options[0] != "--"):
        print(f"error: name one of {', '.join(DOMAINS)}; options of pytest after --")
        return 2
    allowed = core_range(root, package)
    cores = ends(releases(root), allowed)
    options = options[1:] or list(QUICK)
    if not cores:
        print(
            f"{package}: no release of {CORE} in {allowed} yet; testing the checkout's", flush=True
        )
        return 0 if passes(root, package, root / SOURCE, None, options) else 1
    failed = []
    for version in cores:
        print(f"{package}: against {CORE} {version}, of {allowed}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            unpack(root, version, Path(folder))
            if not passes(root, package, Path(folder) / SOURCE, version, options):
                failed.append(str(version))
    if failed:
        print(
            f"error: {package} fails against {CORE} {' and '.join(failed)}: fix it, or narrow the"
            f" range {allowed} in packages/{package}/pyproject.toml"
        )
    return 1 if failed else 0


def core_range(root: Path, package: str) -> SpecifierSet:
    """The versions of core that a package accepts, by its pyproject.toml."""
    table = tomllib.loads((root / "packages" / package / "pyproject.toml").read_text())
    requirements = map(Requirement, table["project"]["dependencies"])
    (core,) = (requirement for requirement in requirements if requirement.name == CORE)
    return core.specifier


def releases(root: Path) -> list[Version]:
    """The released versions of core, by the repository's tags."""
    prefix = f"{CORE}-v"
    listed = subprocess.run(
        ["git", "tag", "--list", f"{prefix}*"],
        cwd=root, check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = []
    for tag in listed.stdout.split():
        try:
            found.append(Version(tag.removeprefix(prefix)))
        except InvalidVersion:
            print(f"{tag}: names no version, and is left out")
    return found


def ends(versions: Sequence[Version], allowed: SpecifierSet) -> list[Version]:
    """The oldest and the newest version that is allowed; one if they are the same."""
    inside = sorted(version for version in versions if version in allowed)
    return sorted({inside[0], inside[-1]}) if inside else []


def unpack(root: Path, version: Version, folder: Path) -> None:
    """Core's source as that release has it; neither the checkout nor its index is touched."""
    archive = subprocess.run(
        ["git", "archive", f"{CORE}-v{version}", SOURCE],
        cwd=root, check=True, capture_output=True,
    )  # fmt: skip
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")


def passes(
    root: Path, package: str, core: Path, version: Version | None, options: Sequence[str]
) -> bool:
    """Whether the package's tests pass with the core in that folder.

    RuntimeError where Python finds another core, or one of another version.
    """
    paths = [str(core), str(root / "packages" / package / "src")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    found = subprocess.run(
        [sys.executable, "-c", WHICH], cwd=root, env=env, check=True, capture_output=True, text=True
    )
    found_version, _, file = found.stdout.strip().partition(" ")
    if not Path(file).resolve().is_relative_to(core.resolve()):
        raise RuntimeError(f"Python finds {file}, not the core in {core}")
    if version is not None and Version(found_version) != version:
        raise RuntimeError(f"the tag {CORE}-v{version} holds version {found_version}")
    tests = f"tests/{package.removeprefix('infonoise-')}"
    call = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", tests, *options]
    return subprocess.run(call, cwd=root, env=env, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
