"""A release: all of it in a clone, nothing of any other package, and no half-made one."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from infonoise_core.errors import InputError

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
assert spec is not None
assert spec.loader is not None
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The packages as they are, under a history of one commit."""
    root = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__", "dist", "*.egg-info")
    shutil.copytree(ROOT / "packages", root / "packages", ignore=ignore)
    shutil.copy(ROOT / ".gitignore", root)
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["config", "user.name", "Somebody"],
        ["config", "user.email", "somebody@example.org"],
        ["add", "."],
        ["commit", "--quiet", "--message", "All"],
    ):
        tool.git(root, *command)
    return root


def unreleased(root: Path, package: str, entry: str = "- Something new.") -> None:
    """Commit a changelog with that entry on top."""
    path = root / "packages" / package / "CHANGELOG.md"
    text = path.read_text().replace("## [Unreleased]", "## [0.0.1] - 2026-01-01")
    head, mark, rest = text.partition("## [")
    path.write_text(f"{head}## [Unreleased]\n\n### Added\n\n{entry}\n\n{mark}{rest}")
    tool.git(root, "commit", "--quiet", "--all", "--message", "Changelog")


def files(root: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in root.rglob("*") if p.is_file() and ".git" not in p.parts
    }  # fmt: skip


@pytest.fixture
def twine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index's own check needs twine; without it the rest is still tested."""
    if importlib.util.find_spec("twine") is None:
        plain = tool.run

        def run(place: Path, *command: str) -> str:
            return "" if "twine" in command else plain(place, *command)

        monkeypatch.setattr(tool, "run", run)


def test_a_dry_run_shows_every_step_and_changes_no_byte(
    checkout: Path, capsys: pytest.CaptureFixture[str], twine: None
) -> None:
    unreleased(checkout, "infonoise-bio")
    before, head = files(checkout), tool.git(checkout, "rev-parse", "HEAD")
    assert tool.main(["infonoise-bio", "minor", "--dry-run"], checkout) == 0
    out = capsys.readouterr().out
    for step in ("version 0.2.0", "changelog dated", "infonoise_bio-0.2.0-py3-none-any.whl",
                 "infonoise_bio-0.2.0.tar.gz", "tag infonoise-bio-v0.2.0", "nothing"):  # fmt: skip
        assert step in out
    assert files(checkout) == before
    assert tool.git(checkout, "rev-parse", "HEAD") == head
    assert tool.git(checkout, "tag") == ""


def test_a_release_changes_its_own_package_only(checkout: Path, twine: None) -> None:
    unreleased(checkout, "infonoise-bio")
    before = files(checkout)
    assert tool.main(["infonoise-bio", "patch"], checkout) == 0
    after = files(checkout)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    place = "packages/infonoise-bio"
    assert changed == {
        f"{place}/CHANGELOG.md", f"{place}/src/infonoise_bio/__init__.py",
        f"{place}/dist/infonoise_bio-0.1.1-py3-none-any.whl",
        f"{place}/dist/infonoise_bio-0.1.1.tar.gz",
    }  # fmt: skip
    assert tool.git(checkout, "tag") == "infonoise-bio-v0.1.1"
    assert tool.git(checkout, "log", "-1", "--format=%s %an") == (
        "Release infonoise-bio 0.1.1 Somebody"
    )
    changelog = after[f"{place}/CHANGELOG.md"].decode()
    assert "## [Unreleased]\n\n## [0.1.1] - 20" in changelog
    assert tool.git(checkout, "status", "--porcelain") == ""


def test_the_first_release_keeps_the_version(checkout: Path, twine: None) -> None:
    unreleased(checkout, "infonoise-core")
    assert tool.release(checkout, "infonoise-core", "first", keep=True) == "infonoise-core-v0.1.0"
    unreleased(checkout, "infonoise-core")
    with pytest.raises(InputError, match=r"infonoise-core-v0\.1\.0 exists"):
        tool.release(checkout, "infonoise-core", "first", keep=True)


def test_changes_that_are_not_committed_stop_it(checkout: Path) -> None:
    (checkout / "packages" / "new.txt").write_text("")
    with pytest.raises(InputError, match=r"has changes, the first: \?\? packages/new.txt"):
        tool.release(checkout, "infonoise-bio", "minor", keep=True)


def test_a_changelog_that_says_nothing_stops_it(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unreleased(checkout, "infonoise-text", entry="")
    before = files(checkout)
    assert tool.main(["infonoise-text", "major"], checkout) == 2
    assert "error: infonoise-text/CHANGELOG.md: no entry" in capsys.readouterr().err
    assert files(checkout) == before
    assert tool.git(checkout, "tag") == ""


def test_without_a_name_to_commit_under_nothing_is_made(checkout: Path, twine: None) -> None:
    unreleased(checkout, "infonoise-bio")
    tool.git(checkout, "config", "user.name", "")
    with pytest.raises(InputError, match=r"git does not know user\.name"):
        tool.release(checkout, "infonoise-bio", "minor", keep=True)
    assert subprocess.run(["git", "tag"], cwd=checkout, capture_output=True).stdout == b""
