"""Install a package by its wheel into an environment of its own, and check that it works alone.

Usage: python tools/check_install.py [PACKAGE ...]

Builds wheel and source archive of the package and of core into one folder, which serves as the
package index (`pip install --no-index --find-links`): pip resolves the range of core from there.
The environment is a fresh venv. No network is needed: of the third-party packages installed here
exactly those that the package declares, directly or not, are linked into it, so that a sibling or
an undeclared import is missed there as on any other machine. `check_alone.py` then runs inside.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CORE = "infonoise-core"
PACKAGES = (CORE, "infonoise-vision", "infonoise-text", "infonoise-bio")


def main(argv: list[str]) -> int:
    """Check the packages named, or all; 0 if each works alone."""
    wanted = argv or list(PACKAGES)
    if not set(wanted) <= set(PACKAGES):
        print(f"error: name some of {', '.join(PACKAGES)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package in {CORE, *wanted}:
            build(package, folder / "index")
        for package in wanted:
            check_sdist(package, folder / "index", folder / "again")
            code = check(package, folder / "index", folder / package)
            if code:
                return code
    return 0


def build(package: str, index: Path) -> None:
    """Wheel and source archive, by the hatchling that is installed here."""
    call = [sys.executable, "-m", "hatchling", "build", "-d", str(index)]
    must(call, cwd=ROOT / "packages" / package)


def check_sdist(package: str, index: Path, folder: Path) -> None:
    """RuntimeError unless the source archive builds a wheel of the same content as the wheel."""
    stem = package.replace("-", "_")
    (archive,) = index.glob(f"{stem}-*.tar.gz")
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    call = [sys.executable, "-m", "pip", "wheel", *options, "-w", str(folder), str(archive)]
    must(call)
    ((direct,), (again,)) = (where.glob(f"{stem}-*.whl") for where in (index, folder))
    differing = _contents(direct).items() ^ _contents(again).items()
    if differing:
        name = sorted(name for name, _ in differing)[0]
        raise RuntimeError(f"{archive.name}: the wheel built from it differs in {name}")


def check(package: str, index: Path, folder: Path) -> int:
    """Install into a venv in `folder` and run check_alone.py there; its exit code.

    RuntimeError where pip refuses: no core in the range, or a dependency that is missing.
    """
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = _site_packages(python)
    for dist in declared(index, package):
        link(dist, site)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    offline = ["--quiet", "--no-index", "--find-links", str(index)]
    must([*pip, "install", *offline, package], env=env)
    must([*pip, "check"], env=env)
    tool = ROOT / "tools" / "check_alone.py"
    return subprocess.run([str(python), "-I", str(tool), package], check=False).returncode


def must(call: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
    """Run a command; RuntimeError with the end of what it said if it fails."""
    done = subprocess.run(call, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(call[1:4])}: {(done.stdout + done.stderr)[-800:]}")


def declared(index: Path, package: str) -> list[Distribution]:
    """Third-party distributions that a package of the folder needs, directly or not."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [(package, frozenset[str]())]
    while queue:
        name, extras = queue.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for requirement in _requirements(index, name, found):
            if _applies(requirement, extras):
                queue.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return list(found.values())


def link(dist: Distribution, site: Path) -> None:
    """Make a distribution that is installed here importable from another folder."""
    for top in {Path(file).parts[0] for file in dist.files or ()}:
        source = Path(str(dist.locate_file(top)))
        # Scripts lie outside, and compiled files of single modules are made anew.
        if top not in ("..", "__pycache__") and source.exists() and not (site / top).exists():
            (site / top).symlink_to(source, target_is_directory=source.is_dir())


def _requirements(index: Path, name: str, found: dict[str, Distribution]) -> Iterator[Requirement]:
    """Of one of ours by its wheel, else of what is installed here, which is noted in `found`."""
    lines: Iterable[str]
    wheels = list(index.glob(f"{name.replace('-', '_')}-*.whl"))
    if wheels:
        with zipfile.ZipFile(wheels[0]) as wheel:
            (file,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
            text = wheel.read(file).decode()
        head = text.partition("\n\n")[0].splitlines()
        lines = [line.partition(": ")[2] for line in head if line.startswith("Requires-Dist: ")]
    else:
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            return  # pip will say what is missing
        lines = found[name].requires or ()
    yield from map(Requirement, lines)


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def _site_packages(python: Path) -> Path:
    call = [str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
