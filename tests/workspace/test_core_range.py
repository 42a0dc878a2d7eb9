"""The compatibility check finds the right releases of core, and tests each of them."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("core_range", ROOT / "tools" / "check_core_range.py")
assert spec is not None
assert spec.loader is not None
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

PACKAGE = "infonoise-bio"
# What the package needs of core came with 0.1.1.
TEST = """
from pathlib import Path
import infonoise_core

def test_core():
    Path("seen.txt").open("a").write(infonoise_core.__version__ + " ")
    assert infonoise_core.NEEDED
"""


def git(root: Path, *words: str) -> None:
    names = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *names, *words], cwd=root, check=True, capture_output=True)


def write_core(root: Path, version: str, body: str) -> None:
    path = root / tool.SOURCE / "infonoise_core" / "__init__.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'__version__ = "{version}"\n{body}\n')


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a core, a package and its test, without a release."""
    root = tmp_path / "checkout"
    (root / "tests" / "bio").mkdir(parents=True)
    (root / "tests" / "bio" / "test_it.py").write_text(TEST)
    (root / "packages" / PACKAGE / "src").mkdir(parents=True)
    accept(root, ">=0.1,<0.2")
    write_core(root, "0.1.9", "NEEDED = True")
    git(root, "init", "--quiet")
    return root


def accept(root: Path, versions: str) -> None:
    text = f'[project]\ndependencies = ["numpy", "infonoise-core[plot,train]{versions}"]\n'
    (root / "packages" / PACKAGE / "pyproject.toml").write_text(text)


def release(root: Path, version: str, body: str = "NEEDED = True", *, tag: str = "") -> None:
    write_core(root, version, body)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", version)
    git(root, "tag", tag or f"infonoise-core-v{version}")


def seen(root: Path) -> list[str]:
    return (root / "seen.txt").read_text().split()


def test_oldest_and_newest_release_in_the_range_are_tested(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for version in ("0.0.9", "0.1.0", "0.1.2", "0.1.10", "0.2.0"):
        release(checkout, version)
    git(checkout, "tag", "infonoise-bio-v0.1.11")
    write_core(checkout, "0.3.0", "")  # the checkout's own is not asked
    assert tool.main([PACKAGE], checkout) == 0
    assert seen(checkout) == ["0.1.0", "0.1.10"]
    out = capfd.readouterr().out
    assert re.search(
        r"against infonoise-core 0\.1\.0, of .*against infonoise-core 0\.1\.10", out, re.S
    )


def test_a_core_that_is_too_old_is_named(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    release(checkout, "0.1.0", "")
    release(checkout, "0.1.1")
    assert tool.main([PACKAGE], checkout) == 1
    assert seen(checkout) == ["0.1.0", "0.1.1"]
    out = capfd.readouterr().out
    assert "error: infonoise-bio fails against infonoise-core 0.1.0: fix it, or narrow" in out
    accept(checkout, ">=0.1.1,<0.2")
    assert tool.main([PACKAGE], checkout) == 0


def test_without_a_release_the_checkout_is_tested_and_that_is_said(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    release(checkout, "0.2.0")
    write_core(checkout, "0.1.9", "NEEDED = True")
    assert tool.main([PACKAGE], checkout) == 0
    assert seen(checkout) == ["0.1.9"]
    said = capfd.readouterr().out
    assert "no release of infonoise-core in <0.2,>=0.1 yet; testing the checkout's" in said


def test_a_tag_that_holds_another_version_stops_it(checkout: Path) -> None:
    release(checkout, "0.1.5", tag="infonoise-core-v0.1.4")
    with pytest.raises(
        RuntimeError, match=r"the tag infonoise-core-v0\.1\.4 holds version 0\.1\.5"
    ):
        tool.main([PACKAGE], checkout)


def test_options_go_to_pytest(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    release(checkout, "0.1.0")
    assert tool.main([PACKAGE, "--", "--collect-only", "-q"], checkout) == 0
    assert not (checkout / "seen.txt").exists()
    assert tool.main(["infonoise-core"], checkout) == 2
    assert tool.main([], checkout) == 2
    assert "error: name one of" in capfd.readouterr().out


def test_one_release_is_tested_once() -> None:
    allowed = SpecifierSet(">=0.1,<0.2")
    assert tool.ends([Version("0.1.0")], allowed) == [Version("0.1.0")]
    assert tool.ends([Version("0.2.0")], allowed) == []


@pytest.mark.parametrize("package", tool.DOMAINS)
def test_every_package_states_a_range_with_both_ends(package: str) -> None:
    operators = {part.operator for part in tool.core_range(ROOT, package)}
    assert operators == {">=", "<"}
