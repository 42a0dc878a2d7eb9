"""The examples run, are short, and use what is public."""

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from doc_blocks import ROOT

import infonoise_core

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONGEST = 60


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFONOISE_CACHE", str(tmp_path / "cache"))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_how_it_is_run_and_how_long_it_takes(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < LONGEST
    summary = ast.get_docstring(ast.parse(text))
    assert f"python examples/{path.name}" in summary
    assert re.search(r"\d+ seconds on one CPU core", summary)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_uses_what_is_public(path: Path) -> None:
    """Names of core's surface, and of a domain its command line."""
    tree = ast.parse(path.read_text())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for node in imported:
        if node.module == "infonoise_core":
            assert {name.name for name in node.names} <= set(infonoise_core.__all__)
        elif node.module.startswith("infonoise"):
            assert re.fullmatch(r"infonoise_(vision|text|bio)\.cli", node.module)
    core = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "core"
    ]
    assert set(core) <= set(infonoise_core.__all__)


def test_own_loop_adapts_and_draws_digits(capsys: pytest.CaptureFixture[str]) -> None:
    load("own_loop").main(steps=240)
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("step 240: adapting")
    assert [len(line) for line in lines[4:]] == 8 * [8 * 8 + 7 * 2]


def test_fine_tuning_learns_the_other_digits(capsys: pytest.CaptureFixture[str]) -> None:
    load("fine_tune").main(steps=60)
    costs = dict(re.findall(r"(\w+): ([\d.]+) nats", capsys.readouterr().out))
    assert costs.keys() == {"EDM", "infonoise"}
    # What these digits would cost if their pixels knew nothing of each other.
    assert all(float(cost) < 23.8 for cost in costs.values())


@pytest.mark.slow
def test_images_end_with_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load("images").main(tmp_path, steps=6, samples=16)
    printed = capsys.readouterr().out
    assert "bits per dim" in printed
    assert "coarse 8" in printed
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_text_is_written_and_completed(capsys: pytest.CaptureFixture[str]) -> None:
    load("text").main(steps=24)
    printed = capsys.readouterr().out
    assert "bits per byte" in printed
    assert "\nThe for statement is used to" in printed


@pytest.mark.slow
def test_dna_is_designed_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    load("dna").main(steps=8, samples=20)
    printed = capsys.readouterr().out
    assert ">design_1 label=induced" in printed
    assert "discriminator AUC" in printed
