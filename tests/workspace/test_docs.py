"""The site keeps its word: its code runs, its numbers were measured, what it names exists."""

import importlib
import importlib.util
import json
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import FENCED, ROOT, run_console, run_python

DOCS = ROOT / "docs"
PAGES = sorted(
    page for page in DOCS.rglob("*.md") if "_build" not in page.parts and "_ext" not in page.parts
)
TUTORIALS = sorted(DOCS.glob("tutorials/*.md"))
NAMED = re.compile(r"\{py:\w+\}`~?([\w.]+)`")
ROLE = re.compile(r"\{benchmark\}`([^`]+)`")
# Enough for every command to go through all it does; how well it does it is not asked here.
UPDATES = 24


def load(path: str):
    """A module that is no part of a package."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


values = load("docs/_ext/benchmark_values.py")
shapes = load("tools/check_shapes.py")


def blocks(page: Path, language: str) -> list[str]:
    return [m["code"] for m in FENCED.finditer(page.read_text()) if m["language"] == language]


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks in order, in one folder, the Python ones with common variables."""
    monkeypatch.chdir(folder)
    variables = {"__name__": page.stem}
    for block in FENCED.finditer(page.read_text()):
        if block["language"] == "python":
            run_python(block["code"], page.stem, variables)
        else:
            run_console(block["code"], folder, UPDATES)


def test_own_loop_measures_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    variables = {"__name__": "page"}
    for code in blocks(DOCS / "tutorials" / "own-loop.md", "python"):
        run_python(code, "own-loop", variables)
    nats = float(re.search(r"([\d.]+) ± [\d.]+ nats per example", capsys.readouterr().out)[1])
    # Between the entropy and that without the copies, as the page says; sampling moves it by 2 %.
    assert 0.98 * 2.773 < nats < 0.9 * 5.545


def test_python_of_the_comparison_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    variables = {"__name__": "page"}
    for code in blocks(DOCS / "tutorials" / "does-it-help.md", "python"):
        run_python(code, "does-it-help", variables)
    wasted, profile = variables["wasted"], variables["profile"]
    assert wasted(profile.rate / profile.entropy()) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["own-loop", "your-data", "does-it-help"])
def test_tutorial_runs(name, tmp_path, monkeypatch):
    page = DOCS / "tutorials" / f"{name}.md"
    assert blocks(page, "console")
    run_page(page, tmp_path, monkeypatch)


@pytest.mark.slow
def test_page_of_ones_own_images_and_network_runs(tmp_path, monkeypatch):
    # Blocks that begin with the name of a file are that file.
    monkeypatch.chdir(tmp_path)
    variables = {"__name__": "own"}
    for block in FENCED.finditer((DOCS / "own.md").read_text()):
        name = re.match(r"# (\w+\.py)\n", block["code"])
        if name:
            (tmp_path / name[1]).write_text(block["code"])
        elif block["language"] == "python":
            run_python(block["code"], "own", variables)
        else:
            run_console(block["code"], tmp_path, UPDATES)
    assert (tmp_path / "networks.py").exists()
    assert (tmp_path / "rings.png").exists()
    both = [json.loads((tmp_path / d / "manifest.json").read_text()) for d in
            ("shapes", "shapes-again")]  # fmt: skip
    assert both[0]["sha256"] == both[1]["sha256"]


def test_there_are_three_tutorials():
    assert {page.stem for page in TUTORIALS} == {"own-loop", "your-data", "does-it-help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_named_code_exists(page):
    missing = [name for name in NAMED.findall(page.read_text()) if not exists(name)]
    assert not missing


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute or a field of something in one."""
    if pydoc.locate(name) is not None:
        return True
    owner, _, last = name.rpartition(".")
    return last in getattr(pydoc.locate(owner), "__annotations__", {})


def test_every_equation_names_its_code():
    # A row of the map with an equation ends in a cell that names a function.
    rows = [
        line for line in (DOCS / "mathematics.md").read_text().splitlines() if line.startswith("| ")
    ]
    heads = [row for row in rows if row.endswith("| Code |")]
    without = [row for row in rows if "$" in row and not NAMED.search(row.rsplit("|", 2)[1])]
    assert len(rows) > 30
    assert set(without) <= set(heads)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_numbers_of_a_page_were_measured(page):
    for address in ROLE.findall(page.read_text()):
        assert values.look_up(address)


def test_numbers_of_the_readme_are_those_measured():
    text = (ROOT / "README.md").read_text()
    assert values.MARKED.search(text)
    assert values.rewrite(text) == text, "run: hatch run docs-numbers"


def test_readme_has_no_other_measured_numbers():
    # A share or a factor that no marker stands around was typed.
    text = values.MARKED.sub("", (ROOT / "README.md").read_text())
    prose_only = re.sub(r"^```.*?^```$|^    .*$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"\d+(?:\.\d+)? ?%|\d+(?:\.\d+)?[x×]\b|\d+ times", prose_only)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("nothing / cost / x", "no results file"),
        ("core / nothing / x", "no section"),
        ("core / cost / something else", "stands 0 times"),
        ("core / adversarial / 1 bit / honest / no such gate", "no column"),
        ("core / adversarial / 1 bit / no such row / slope", "0 rows"),
        ("core", "give FILE"),
    ],
)
def test_unknown_address_is_an_error(address, complaint):
    with pytest.raises(KeyError, match=complaint):
        values.look_up(address)


def test_numbers_stand_in_the_page_of_their_results():
    # The same format as the bench commands' own page.
    page = (DOCS / "benchmarks" / "core.md").read_text()
    for part in json.loads((DOCS / "benchmarks" / "core.json").read_text())["sections"].items():
        for goal in part[1]["goals"]:
            number = values.look_up(f"core / {part[0]} / {goal['what']}")
            assert f"- {goal['what']}: {number}; goal" in page


def test_marked_number_is_rewritten():
    address = "core / goals met"
    text = f"a <!-- benchmark: {address} -->7<!-- end --> b"
    assert values.look_up(address) in values.rewrite(text)
    assert values.rewrite(values.rewrite(text)) == values.rewrite(text)


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("(n,) levels", True),
        ("x: (n, ...), sigma: (K+1,)", True),
        ("the same shape as x", True),
        ("noise levels (Raya et al. 2026)", False),
        ("levels between 0 and 1", False),
    ],
)
def test_shape_is_recognised(text, stated):
    assert shapes.has_shape(text) is stated


@pytest.mark.parametrize("package", shapes.PACKAGES)
def test_every_public_tensor_has_a_shape(package):
    missing, seen = shapes.find_gaps(package)
    assert seen > 10
    assert not missing, "\n".join(missing)


def test_tensors_without_a_shape_are_found(tmp_path, monkeypatch):
    source = tmp_path / "packages" / "infonoise-core" / "src" / "demo"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text(
        '"""A module."""\n'
        "from torch import Tensor\n"
        "def number(): ...\n"
        'def shapeless(x: Tensor):\n    """Text."""\n'
        'def fine(x: Tensor):\n    """Text of x (n,)."""\n'
        "def _private(x: Tensor): ...\n"
        'class Held:\n    """Text."""\n    x: Tensor\n'
        '    def method(self) -> Tensor:\n        """Text."""\n'
        "    def inherited(self) -> Tensor: ...\n"
    )
    monkeypatch.setattr(shapes, "ROOT", tmp_path)
    missing, seen = shapes.find_gaps("infonoise-core")
    assert [where.rpartition(" ")[2] for where in missing] == ["shapeless", "Held", "Held.method"]
    assert seen == 4


@pytest.mark.parametrize("name", ["profile", "memory"])
def test_picture_is_drawn_again(name, tmp_path):
    load(f"docs/_ext/{name}_picture.py").draw(tmp_path / f"{name}.svg")
    drawn, kept = (folder / f"{name}.svg" for folder in (tmp_path, DOCS / "_static"))
    # Another matplotlib draws other bytes, but as many lines.
    assert drawn.read_text().count("<path") == kept.read_text().count("<path")


@pytest.mark.slow
def test_site_is_built_without_warnings(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    call = [sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*call, DOCS, tmp_path], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    commands = (tmp_path / "commands.html").read_text()
    assert all(program in commands for program in ("infonoise-text train", "infonoise-bio infill"))


def test_gallery_is_drawn_from_its_results(tmp_path):
    gallery = load("docs/_ext/gallery.py")
    gallery.draw(gallery.read(), tmp_path)
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == sorted(path.name for path in gallery.GALLERY.glob("*.svg"))
    for name in drawn:
        new, kept = ((folder / name).read_text() for folder in (tmp_path, gallery.GALLERY))
        assert new.count("<path") == kept.count("<path")


def test_page_of_the_gallery_is_written_from_its_results():
    gallery = load("docs/_ext/gallery.py")
    page = (DOCS / "gallery.md").read_text()
    assert page == gallery.page(gallery.read())
    shown = re.findall(r"\]\(_static/gallery/([\w.]+)\)", page)
    kept = {path.name for path in gallery.GALLERY.iterdir() if path.suffix != ".json"}
    assert set(shown) == kept >= {"profiles.svg", "trained.svg", "digits.png", "designs.svg"}
