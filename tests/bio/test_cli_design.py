"""Designs that shall have something: letters at places, shares of GC, a high score."""

import re
from pathlib import Path

import pytest

ORACLE = """
import torch

def strong(x):
    return x[:, 1:3].mean((1, 2))

def both(x):
    return torch.stack([x[:, 0].sum(1), strong(x)], 1)

both.names = ["A", "gc"]
"""


def sequences(path: Path) -> list[str]:
    return path.read_text().splitlines()[1::2]


@pytest.fixture
def oracle(tmp_path: Path) -> Path:
    path = tmp_path / "my.py"
    path.write_text(ORACLE)
    return path


def test_letters_at_places_and_a_share_of_gc(trained, tmp_path, few, run):
    out = tmp_path / "x.fa"
    code, told, _ = run("sample", trained, "--out", out, "--samples", 30, "--place", "TATAWR@3",
                        "--place", "SS@20", "--gc", "0.4-0.6", "--label", "x", *few)  # fmt: skip
    assert code == 0
    found = sequences(out)
    assert len(found) == 30
    for text in found:
        assert re.fullmatch("TATA[AT][AG]", text[3:9])
        assert re.fullmatch("[CG]{2}", text[20:22])
        assert 0.4 <= sum(text.count(b) for b in "GC") / 24 <= 0.6
    assert "30 of " in told
    assert ">design_30 label=x" in out.read_text()


def test_a_goal_raises_its_score_and_says_how_many_carry_the_weight(
    trained, tmp_path, few, run, oracle
):
    means = {}
    for strength in (0, 40):
        out = tmp_path / f"{strength}.fa"
        code, told, _ = run("sample", trained, "--out", out, "--samples", 40, "--particles", 32,
                            "--oracle", f"{oracle}:both", "--maximise", "gc", "--place", "TATA@3",
                            "--strength", strength, "--gradients", *few)  # fmt: skip
        assert code == 0
        assert "effective sample size" in told
        found = sequences(out)
        assert len(found) == 40
        assert all(text[3:7] == "TATA" for text in found)
        scores = [float(x) for x in re.findall(r"score=(\S+)", out.read_text())]
        assert scores == pytest.approx(
            [sum(t.count(b) for b in "GC") / 48 for t in found], abs=1e-5
        )
        means[strength] = sum(scores) / 40
    assert means[40] > means[0] + 0.05


def test_wishes_that_cannot_be(trained, baselines, tmp_path, few, refused, oracle):
    command = ["sample", trained, "--out", tmp_path / "x.fa", "--samples", 4, *few]
    for match, *wish in (
        ("its end lies at 26", "--place", "TATA@22"),
        ("give letters and a position", "--place", "TATA"),
        ("'X' is no IUPAC letter", "--place", "TXTA@2"),
        ("contradicts another at position 4", "--place", "TATA@2", "--place", "GG@4"),
        ("give two shares", "--gc", "0.7"),
        ("give two shares", "--gc", "0.7-0.2"),
        ("are within it", "--gc", "1.0-1.0"),
        ("leave a share of 0.333 to 1;", "--gc", "0.1-0.3", "--place", "GCSGCSGC@1"),
        ("leave a share of 0 to 0.75;", "--gc", "0.8-0.9", "--place", "TATAWA@1"),
        ("give the number of an output, from 0; there are A, gc", "--oracle", f"{oracle}:both",
         "--maximise", "none"),
        ("output 7 is to be high", "--oracle", f"{oracle}:both", "--maximise", "7"),
        ("has no function none", "--oracle", f"{oracle}:none"),
        ("cannot be imported", "--oracle", "no.such.module:f"),
        ("give a program of torch.export", "--oracle", "x"),
        ("no such file", "--oracle", tmp_path / "none.pt2"),
        ("give --oracle", "--maximise", "3"),
        ("leave out one of them", "--oracle", f"{oracle}:both", "--guidance", "2", "--label", "x"),
    ):  # fmt: skip
        refused(match, *command, *wish)
    refused("are for runs of train", "sample", baselines / "masked", "--out", tmp_path / "x.fa",
            "--samples", 4, "--place", "TATA@2")  # fmt: skip
    assert not (tmp_path / "x.fa").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def both(x:", "SyntaxError"),
        ("both = 1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("def both(x): return x[:, 0].sum(1)\nboth.names = 'A'", "there are A"),
    ],
)
def test_files_of_goals_that_fail(code, words, trained, tmp_path, few, refused):
    path = tmp_path / "my.py"
    path.write_text(code)
    out = tmp_path / "x.fa"
    refused(words, "sample", trained, "--out", out, "--samples", 4, "--oracle", f"{path}:both",
            "--maximise", "gc", *few)  # fmt: skip
    assert not out.exists()


def test_iupac_letters_of_a_template_constrain(trained, tmp_path, few, run):
    template, out = tmp_path / "t.fa", tmp_path / "x.fa"
    template.write_text(f">a\nACGT{'R' * 6}NN{'Y' * 6}NNACGT\n")
    assert run("infill", trained, template, "--out", out, "--each", 8, *few)[0] == 0
    for text in sequences(out):
        assert re.fullmatch("ACGT[AG]{6}[ACGT]{2}[CT]{6}[ACGT]{2}ACGT", text)


def test_an_activity_that_training_never_saw_is_said(trained, tmp_path, few, run):
    for value, said in ((1, ""), (1e9, "standard deviations from the mean of training")):
        code, told, _ = run("sample", trained, "--out", tmp_path / f"{value}.fa", "--samples", 2,
                            "--activity", f"act={value}", *few)  # fmt: skip
        assert code == 0
        assert (said in told) if said else ("note:" not in told)


def test_products_and_temperatures_from_the_command_line(run, refused, trained, few, tmp_path):
    out = tmp_path / "both.fa"
    powers = ["--power", "x=1", "--power", "y=1", "--power", "=-1"]
    ask = ["sample", trained, "--samples", 5, "--out", out, "--particles", 8, *few]
    code, said, _ = run(*ask, *powers)
    assert code == 0
    assert "effective sample size" in said
    assert out.read_text().count(">") == 5
    cold = ["--label", "x", "--activity", "act=0.5", "--temperature", 0.5, "--overwrite"]
    code, said, _ = run(*ask, *cold)
    assert code == 0
    assert "label=x" in out.read_text()
    other = ["sample", trained, "--samples", 5, "--out", tmp_path / "no.fa", *few]
    refused("sum to 0", *other, "--power", "x=1", "--power", "y=-1")
    refused("'z' was not seen", *other, "--power", "z=1")
    refused("give each class once", *other, "--power", "x")
    refused("give --power x=1", *other, "--power", "y=1", "--label", "x")
    refused("leave one out", *other, "--temperature", 2, "--place", "TATA@3")
    refused("leave out one of them", *other, "--temperature", 2, "--guidance", 2, "--label", "x")
    refused("--temperature 0: give a positive", *other, "--temperature", 0)
