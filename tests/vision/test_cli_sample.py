"""`sample` on the command line: pictures, and mistakes that end in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from infonoise_vision.cli import main


def test_sample_writes_a_picture(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "s.png"
    assert main(["sample", str(digits), "--out", str(out), "--samples", "5", "--steps", "4"]) == 0
    assert f"{out}: 5 images, 7 denoiser calls each" in capsys.readouterr().out
    with Image.open(out) as image:
        # Two rows of three digits, 9 pixels apart, enlarged as far as 640 pixels go.
        assert image.size == (22 * (3 * 9 + 1), 22 * (2 * 9 + 1))
    again, other = tmp_path / "again.png", tmp_path / "other.png"
    quick = ["--samples", "5", "--steps", "4"]
    assert main(["sample", str(digits), "--out", str(again), *quick]) == 0
    assert main(["sample", str(digits), "--out", str(other), *quick, "--seed", "1"]) == 0
    assert again.read_bytes() == out.read_bytes()
    assert other.read_bytes() != out.read_bytes()
    entropic = ["--grid", "entropic", "--solver", "euler"]
    assert main(["sample", str(digits), "--out", str(out), *quick, *entropic, "--overwrite"]) == 0
    assert out.read_bytes() != again.read_bytes()
    assert {p.name for p in tmp_path.rglob("*.*")} == {"s.png", "again.png", "other.png"}


SAMPLE = ["sample", "run", "--out", "new.png"]
MISTAKES: list[tuple[list[str], list[str]]] = [
    (["sample", "empty", "--out", "new.png"], ["empty", "no run here", "--out of a train command"]),
    (["sample", "gone", "--out", "new.png"], ["gone", "no run here"]),
    (["sample", "comparison", "--out", "new.png"], ["comparison", "--out of a train command"]),
    (["sample", "damaged", "--out", "new.png"], ["damaged/config.json", "train again"]),
    (["sample", "untrained", "--out", "new.png"], ["untrained", "no checkpoint"]),
    (["sample", "run", "--out", "picture.png"], ["picture.png", "--overwrite"]),
    (["sample", "run", "--out", "run.png"], ["run.png is a folder"]),
    (["sample", "run", "--out", "stranger", "--overwrite"], ["stranger", "no folder of PNGs"]),
    (["sample", "run", "--out", "notes.txt/new.png"], ["notes.txt"]),
    (["sample", "bare", "--out", "new.png", "--grid", "entropic"],
     ["--grid entropic needs a profile", "karras"]),
    ([*SAMPLE, "--grid", "nope"], ["--grid nope", "karras", "entropic"]),
    ([*SAMPLE, "--solver", "nope"], ["--solver nope", "heun"]),
    ([*SAMPLE, "--samples", "0"], ["--samples 0"]),
    ([*SAMPLE, "--steps", "0"], ["--steps 0"]),
    ([*SAMPLE, "--seed", "-1"], ["--seed -1"]),
    (["sample", "run"], ["--out"]),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "words"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_ends_in_one_line_and_changes_nothing(
    refused: Callable[[list[str], list[str]], None], argv: list[str], words: list[str]
) -> None:
    refused(argv, words)
