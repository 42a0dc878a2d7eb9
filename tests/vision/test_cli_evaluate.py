"""`evaluate` on the command line: its table, and mistakes that end in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infonoise_vision.cli import main


def test_evaluate_repeats_what_train_found(
    digits: Path, tmp_path: Path, strict: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(digits, tmp_path / "run")
    final = strict((run / "done.json").read_text())
    assert main(["evaluate", str(run), "--no-classifier"]) == 0
    head, bits, distance, _ = capsys.readouterr().out.splitlines()
    assert head.split() == ["measure", "value", "real", "to", "real", "better"]
    assert bits.split()[:4] == [
        "bits_per_dim", f"{final['bits_per_dim']:.4f}", "±", f"{final['bits_per_dim_stderr']:.4f}",
    ]  # fmt: skip
    assert distance.split()[:2] == ["energy_256", f"{final['energy_256']:.4f}"]
    assert strict((run / "evaluation.json").read_text())["measures"][0]["floor"] is None


MISTAKES: list[tuple[list[str], list[str]]] = [
    (["evaluate", "empty"], ["empty", "no run here"]),
    (["evaluate", "run", "--samples", "1"], ["--samples 1"]),
    (["evaluate", "run", "--data", "more.npz"], ["more.npz", "train is 48 and not 49", "--data"]),
    (["evaluate", "run", "--data", "gone"], ["gone", "not found"]),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "words"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_ends_in_one_line_and_changes_nothing(
    refused: Callable[[list[str], list[str]], None], argv: list[str], words: list[str]
) -> None:
    refused(argv, words)
