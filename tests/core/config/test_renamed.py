"""Settings by the names they had before, on command lines, in files and in old runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
from tyro.conf import OmitArgPrefixes

from infonoise_core.config.parse import parse_options
from infonoise_core.config.renamed import completed, formerly, upgraded
from infonoise_core.config.tree import settings_of


@dataclass(frozen=True)
class Loop:
    steps: Annotated[int, formerly("updates")] = 3
    clip: float = 1.0


@dataclass(frozen=True)
class Command:
    samples: Annotated[int, formerly("n", "number")] = 1
    loop: OmitArgPrefixes[Loop] = field(default_factory=Loop)


@pytest.mark.parametrize("words", [["--updates", "7"], ["--updates=7"], ["--set", "updates=7"]])
def test_an_old_name_is_understood(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = parse_options(Command, "prog", words)
    assert found == Command(loop=Loop(steps=7))
    if words[0] != "--set":
        assert capsys.readouterr().err == "note: --updates is called --steps now; use that name\n"


def test_old_names_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    for text in ("n: 4\nloop: {updates: 7}", "number: 4\nupdates: 7"):
        file.write_text(text)
        assert parse_options(Command, "prog", ["--config", str(file)]) == Command(4, Loop(7))


def test_old_settings_get_their_new_names() -> None:
    old = {"n": 4, "loop": {"updates": 7, "clip": 0.5}, "foreign": {"n": 1}}
    assert upgraded(old, Command) == {
        "samples": 4,
        "loop": {"steps": 7, "clip": 0.5},
        "foreign": {"n": 1},
    }


def test_fields_that_came_since_had_their_defaults() -> None:
    """Only those that this version writes: what is not compared is not added."""
    today = settings_of(Command(4, Loop(steps=7)))
    first, second = list(today["loop"])[:2]
    old = {"samples": 4, "loop": {first: today["loop"][first]}, "foreign": 1}
    assert completed(old, today, Command) == {**today, "foreign": 1}
    part = {"samples": 4, "loop": {first: 0}}
    assert completed({"loop": {}}, part, Command)["loop"] == {first: settings_of(Loop())[first]}
    assert second not in completed(old, part, Command)["loop"]


def test_help_has_the_new_name_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_options(Command, "prog", ["--help"]) is None
    text = capsys.readouterr().out
    assert "--samples" in text
    assert "--updates" not in text
