"""Release one package: its version, its changelog, its files, its tag, and nothing of the others.

    python tools/release.py infonoise-bio minor --dry-run
    python tools/release.py infonoise-core first

Everything happens in a temporary clone. Only when all of it went well does the checkout take over
the commit and the tag; a push of that tag publishes. `first` releases the version as it stands.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from infonoise_core.errors import InputError

ROOT = Path(__file__).parents[1]
PACKAGES = ("infonoise-core", "infonoise-vision", "infonoise-text", "infonoise-bio")
PARTS = ("patch", "minor", "major", "first")
_UNRELEASED = "## [Unreleased]"
# Characters of a failed command's last words that are passed on.
_SAID = 300


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Release, or show what a release would do."""
    parser = argparse.ArgumentParser(description="Release one package.")
    parser.add_argument("package", choices=PACKAGES)
    parser.add_argument("part", choices=PARTS, help="of the version that goes up")
    parser.add_argument("--dry-run", action="store_true", help="do all of it but keep nothing")
    options = parser.parse_args(argv)
    try:
        release(root, options.package, options.part, keep=not options.dry_run)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def release(root: Path, package: str, part: str, *, keep: bool) -> str:
    """Make the release in a clone of `root`; returns its tag. keep: let `root` take it over."""
    check_tree(root)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        git(root, "clone", "--quiet", "--no-hardlinks", str(root), str(clone))
        place = clone / "packages" / package
        version = raise_version(place, part)
        tag = f"{package}-v{version}"
        if git(root, "tag", "--list", tag):
            raise InputError(f"the tag {tag} exists: give a part that makes a new version")
        say(f"version {version} in packages/{package}")
        date_changelog(place / "CHANGELOG.md", version)
        say("changelog dated")
        check_untouched(clone, package)
        for file in build(place):
            say(f"built {file.name}, {file.stat().st_size / 1000:.0f} kB; its metadata are sound")
        commit(root, clone, f"Release {package} {version}", tag)
        say(f"commit and tag {tag}")
        if not keep:
            say("dry run: nothing of this was kept")
            return tag
        git(root, "pull", "--quiet", "--ff-only", str(clone), "HEAD")
        git(root, "fetch", "--quiet", str(clone), f"refs/tags/{tag}:refs/tags/{tag}")
        target = root / "packages" / package / "dist"
        target.mkdir(exist_ok=True)
        for file in (place / "dist").iterdir():
            shutil.copy2(file, target)
        say(f"taken over; to publish: git push origin HEAD {tag}")
        return tag


def check_tree(root: Path) -> None:
    """InputError unless everything in the checkout is committed."""
    changed = git(root, "status", "--porcelain")
    if changed:
        raise InputError(
            f"the checkout has changes, the first: {changed.splitlines()[0].strip()}; commit or"
            " stash them"
        )


def raise_version(place: Path, part: str) -> str:
    """The new version, written where the package keeps it."""
    if part != "first":
        run(place, sys.executable, "-m", "hatchling", "version", part)
    return run(place, sys.executable, "-m", "hatchling", "version")


def date_changelog(path: Path, version: str) -> None:
    """Turn the unreleased section into that of the version; InputError if it says nothing."""
    text = path.read_text()
    head, found, rest = text.partition(_UNRELEASED)
    entries = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    if not found or not re.search(r"^- ", entries, flags=re.MULTILINE):
        raise InputError(
            f"{path.parent.name}/{path.name}: no entry under {_UNRELEASED}; say what is new"
        )
    today = datetime.now(UTC).date().isoformat()
    path.write_text(f"{head}{_UNRELEASED}\n\n## [{version}] - {today}{rest}")


def check_untouched(clone: Path, package: str) -> None:
    """InputError if anything outside the package has changed."""
    changed = git(clone, "diff", "--name-only").splitlines()
    foreign = [name for name in changed if not name.startswith(f"packages/{package}/")]
    if foreign:
        raise InputError(f"the release of {package} would change {foreign[0]}")


def build(place: Path) -> list[Path]:
    """Source archive and wheel, with metadata that the index takes."""
    run(place, sys.executable, "-m", "hatchling", "build", "-d", "dist")
    files = sorted((place / "dist").iterdir())
    run(place, sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    return files


def commit(root: Path, clone: Path, message: str, tag: str) -> None:
    """Commit in the clone under the name that the checkout uses."""
    who: list[str] = []
    for key in ("user.name", "user.email"):
        value = git(root, "config", "--default", "", "--get", key)
        if not value:
            raise InputError(f"git does not know {key}: set it with git config {key} ...")
        who += ["-c", f"{key}={value}"]
    git(clone, *who, "commit", "--quiet", "--all", "--allow-empty", "--message", message)
    git(clone, *who, "tag", "--annotate", tag, "--message", message)


def git(place: Path, *arguments: str) -> str:
    """Output of a git command in that folder."""
    return run(place, "git", *arguments)


def run(place: Path, *command: str) -> str:
    """Output of a command; InputError with the end of what it said if it fails."""
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())
        name = " ".join(Path(part).name for part in command[:3])
        raise InputError(f"{name}: {said[-_SAID:] or 'failed'}")
    return done.stdout.strip()


def say(text: str) -> None:
    """One step."""
    print(f"- {text}")


if __name__ == "__main__":
    sys.exit(main())
