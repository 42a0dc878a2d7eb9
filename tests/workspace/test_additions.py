"""What ARCHITECTURE.md says of adding a schedule, a format, a solver or a domain is all there is to
it: each is added to a copy of the packages, by the files that the page names, and used.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from additions import ADDITIONS, ROOT, add

PAGE = (ROOT / "ARCHITECTURE.md").read_text()
PACKAGES = sorted(ROOT.glob("packages/*/src/infonoise_*"))
SOUNDS = Path(__file__).with_name("sounds")

# Commands of one program, one after another in a process of their own; their exit codes.
RUN = """
import importlib, json, sys
main = importlib.import_module(sys.argv[1]).main
print("codes", json.dumps([main(words) for words in json.loads(sys.argv[2])]))
"""


def section(title: str) -> str:
    """The page below that heading, up to the next."""
    found = re.search(rf"^### {title}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def listed(title: str) -> list[str]:
    """The files of its numbered list."""
    return re.findall(r"^\d\. `([^`]+)`", section(title), re.MULTILINE)


@pytest.mark.parametrize("package", [path.name for path in PACKAGES])
def test_the_tree_has_every_room(package: str) -> None:
    source = ROOT / "packages" / package.replace("_", "-") / "src" / package
    rooms = {
        folder.relative_to(source).as_posix()
        for folder in source.rglob("*")
        if folder.is_dir() and folder.name != "__pycache__"
    }
    assert set(listed_rooms(package)) == rooms


def listed_rooms(package: str) -> list[str]:
    """The folders of its table, from the ground up."""
    return re.findall(r"^\| `([^`]+)` \|", section(package), re.MULTILINE)


@pytest.mark.parametrize("package", [path.name for path in PACKAGES])
def test_the_tree_has_the_floors_of_the_contracts(package: str) -> None:
    linted = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (
        c for c in linted["contracts"] if c["type"] == "layers" and package in c["containers"]
    )
    floors = [re.findall(r"\w+", layer) for layer in reversed(contract["layers"])]
    floor = {name: height for height, names in enumerate(floors) for name in names}
    heights = [floor[room] for room in listed_rooms(package) if "/" not in room]
    assert heights == sorted(heights)


def test_every_module_that_the_page_names_is_there() -> None:
    files = {
        ".".join(path.relative_to(source.parent).with_suffix("").parts)
        for source in PACKAGES
        for path in source.rglob("*.py")
    }
    # The last word may be a class of the module before it.
    names = re.findall(r"`(infonoise_\w+(?:\.\w+)+)`", PAGE)
    assert names
    assert not [n for n in names if not {n, n.rpartition(".")[0]} & files]


def run_commands(module: str, commands: list[list[str]], path: Path) -> str:
    """Run them where Python looks into `path` first; what they printed. All must succeed."""
    before = os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        [sys.executable, "-c", RUN, module, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), before])},
        cwd=path,
    )
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    assert last == f"codes {json.dumps([0] * len(commands))}", done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("kind", "files"), [("schedule", 3), ("format", 2), ("solver", 2)], ids=lambda value: str(value)
)
def test_the_page_names_the_files(kind: str, files: int) -> None:
    names = [name.rpartition("/src/")[2] for name in ADDITIONS[kind]]
    assert len(names) == files
    for said, name in zip(listed(f"Add a {kind}"), names, strict=True):
        # The page says NAME, and DOMAIN where each has such a file.
        pattern = re.escape(said).replace("NAME", r"\w+").replace("DOMAIN", "(vision|text|bio)")
        assert re.fullmatch(pattern, name)


def test_a_schedule_a_format_and_a_solver_are_used(tmp_path: Path) -> None:
    for package in ("infonoise-core", "infonoise-vision"):
        source = f"packages/{package}/src"
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / source, tmp_path / source, ignore=skipped)
    for addition in ADDITIONS.values():
        add(addition, tmp_path)
    both = tmp_path / "both"
    both.mkdir()
    for folder in tmp_path.glob("packages/*/src/*"):
        folder.rename(both / folder.name)
    np.random.default_rng(0).integers(0, 256, 40 * 64).astype(np.uint8).tofile(both / "x.raw")
    quick = ["--steps", "2", "--batch-size", "4", "--eval-every", "0", "--device", "cpu"]
    train = ["train", "x.raw", "--out", "run", "--schedule", "triangular", *quick]
    sample = ["sample", "run", "--out", "s.png", "--grid", "karras", "--solver", "midpoint"]
    said = run_commands("infonoise_vision.cli", [train, [*sample, "--steps", "2"]], both)
    assert "Triangular" in said
    assert (both / "s.png").is_file()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip has installed a copy of the domain, which lies elsewhere."""
    base = tmp_path_factory.mktemp("sounds")
    shutil.copytree(SOUNDS, base / "package", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    call = [sys.executable, "-m", "pip", "install", *options, "--target", str(base / "site")]
    env = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    subprocess.run([*call, str(base / "package")], check=True, capture_output=True, env=env)
    return base / "site"


def test_the_page_names_the_files_of_a_domain() -> None:
    files = {
        path.relative_to(SOUNDS).as_posix().replace("src/infonoise_sound", "src/infonoise_NAME")
        for path in SOUNDS.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert set(listed("Add a domain")) == files
    lines = sum(
        len((SOUNDS / name.replace("NAME", "sound")).read_text().split("\n")) for name in files
    )
    assert lines < 300


def test_no_package_knows_of_it() -> None:
    known = [
        path
        for folder in ("packages", "tools", "docs")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".py", ".toml", ".md") and "infonoise_sound" in path.read_text()
    ]
    assert not known


def test_a_domain_has_every_verb(installed: Path) -> None:
    few = ["--steps", "6", "--batch-size", "8", "--eval-every", "3", "--save-every", "3"]
    plain = ["--grid", "karras"]
    commands = [
        ["train", "--out", "run", *few],
        ["sample", "run", "--out", "s.npy", "--samples", "5", *plain],
        ["evaluate", "run"],
        ["profile", "run"],
        ["report", "run"],
        ["compare", "--out", "c", "--steps", "6", "--batch-size", "8", "--schedules", "edm,cosine"],
        ["push", "run", "shared"],
        ["pull", "shared", "--out", "model"],
        ["sample", "model", "--out", "again.npy", "--samples", "5", *plain],
    ]
    said = run_commands("infonoise_sound.cli", commands, installed)
    assert "mse at sigma 1" in said
    first, again = (np.load(installed / name) for name in ("s.npy", "again.npy"))
    assert first.shape == (5, 16)
    assert np.array_equal(first, again)
    record = json.loads((installed / "run" / "evaluation.json").read_text())
    assert record["program"] == "infonoise-sound"
    assert "generated sounds" in (installed / "run" / "report.html").read_text()
    assert "cosine" in (installed / "c" / "results.json").read_text()


def test_its_command_is_installed(installed: Path) -> None:
    before = os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        [sys.executable, installed / "bin" / "infonoise-sound", "--version"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), before])},
    )  # fmt: skip
    assert done.stdout == "infonoise-sound 0.1.0\n"
