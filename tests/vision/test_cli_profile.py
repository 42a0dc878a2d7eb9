"""`profile` on the command line: text and pictures, and mistakes that end in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infonoise_core import EntropyRateProfile
from infonoise_vision.cli import main


def test_profile_prints_and_draws(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in (digits, digits / "profile.json"):
        assert main(["profile", str(source)]) == 0
    first, second = capsys.readouterr().out.split("entropy   ")[1:]
    assert first == second
    profile = EntropyRateProfile.load(digits / "profile.json")
    assert f"{profile.entropy():.2f} ± " in first
    assert f"50% {float(profile.quantile(0.5)):.3g} " in first
    for suffix, start in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        out = tmp_path / f"p{suffix}"
        assert main(["profile", str(digits), "--out", str(out)]) == 0
        assert out.read_bytes().startswith(start)


MISTAKES: list[tuple[list[str], list[str]]] = [
    (["profile", "empty"], ["empty", "no profile here"]),
    (["profile", "gone"], ["gone"]),
    (["profile", "notes.txt"], ["notes.txt", "damaged"]),
    (["profile", "run", "--out", "picture.png"], ["picture.png", "--overwrite"]),
    (["profile", "run", "--out", "new.txt"], ["new.txt", ".svg"]),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "words"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_ends_in_one_line_and_changes_nothing(
    refused: Callable[[list[str], list[str]], None], argv: list[str], words: list[str]
) -> None:
    refused(argv, words)
