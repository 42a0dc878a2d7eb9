"""Every package has the same outer form, and its parts agree on its version."""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
DOMAINS = [package for package in PACKAGES if package.name != "infonoise-core"]


def project(package: Path) -> dict:
    return tomllib.loads((package / "pyproject.toml").read_text())


def module(package: Path) -> Path:
    return package / "src" / package.name.replace("-", "_")


def version(package: Path) -> str:
    """The literal, read without importing the package."""
    for node in ast.parse((module(package) / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return ast.literal_eval(node.value)
    pytest.fail(f"{package.name} has no literal __version__ in its __init__.py")


def name(package: Path) -> str:
    return package.name


def test_the_four_packages_are_there():
    assert {package.name for package in PACKAGES} == {
        "infonoise-bio",
        "infonoise-core",
        "infonoise-text",
        "infonoise-vision",
    }


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_files(package):
    assert (package / "README.md").read_text().startswith(f"# {package.name}\n")
    assert (module(package) / "py.typed").is_file()
    # A wheel carries its own licence text; the copies must stay copies.
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_version_is_one_literal(package):
    data = project(package)
    assert data["project"]["name"] == package.name
    assert "version" not in data["project"]
    assert data["project"]["dynamic"] == ["version"]
    assert data["tool"]["hatch"]["version"] == {
        "path": f"src/{module(package).name}/__init__.py",
    }
    literal = version(package)
    assert str(Version(literal)) == literal


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_changelog_has_a_place_for_what_is_new_and_the_version_below(package):
    headings = re.findall(r"^## \[([^\]]*)\]", (package / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    released = headings[1:]
    # Before the first release the version stands in the package alone.
    assert not released or released[0] == version(package)
    assert released == sorted(released, key=Version, reverse=True)


@pytest.mark.parametrize("package", DOMAINS, ids=name)
def test_domains_accept_this_core_and_no_sibling(package):
    core = Version(version(ROOT / "packages" / "infonoise-core"))
    siblings = {
        requirement.name: requirement
        for requirement in map(Requirement, project(package)["project"]["dependencies"])
        if requirement.name.startswith("infonoise")
    }
    assert siblings.keys() == {"infonoise-core"}
    assert core in siblings["infonoise-core"].specifier


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_the_command_is_declared(package):
    (cli,) = module(package).rglob("cli.py")
    place = ".".join(cli.relative_to(module(package).parent).with_suffix("").parts)
    command = package.name.removesuffix("-core")
    assert project(package)["project"]["scripts"] == {command: f"{place}:main"}


MODULES = sorted(ROOT.glob("packages/*/src/**/*.py"))


def test_no_module_is_long() -> None:
    long = {p.relative_to(ROOT): len(p.read_text().splitlines()) for p in MODULES}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


def test_no_folder_is_crowded() -> None:
    modules = Counter(p.parent for p in MODULES if p.name != "__init__.py")
    assert {str(folder): n for folder, n in modules.items() if n > 16} == {}


@pytest.mark.parametrize("package", DOMAINS, ids=name)
def test_a_domain_has_little_of_its_own_between_options_and_what_it_does(package: Path) -> None:
    glue = [module(package) / f"{word}.py" for word in ("domain", "presets", "cli")]
    glue += sorted((module(package) / "commands").glob("*.py"))
    assert sum(len(path.read_text().splitlines()) for path in glue) < 700
