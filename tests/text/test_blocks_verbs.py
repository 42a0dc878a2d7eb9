"""The verbs on runs that write in blocks, from left to right: some nothing else, some both ways."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .command_line import QUICK, STEPS, opened, run


@pytest.fixture(scope="module")
def blocks(train_as: Callable[..., Path]) -> Path:
    return train_as("blocks", "--block", "5", "--ordered", "1", "--eval-every", "3")


def test_a_run_knows_its_blocks(blocks: Path) -> None:
    assert opened(blocks).denoiser.block == 5
    settings = json.loads((blocks / "config.json").read_text())
    assert settings["objective"]["block"] == 5


def test_by_default_a_run_writes_token_by_token_or_whole_windows(
    trained: Path, capsys: Any
) -> None:
    assert opened(trained).denoiser.block == 1
    texts = [
        run(capsys, *words)
        for words in (
            ("sample", trained, "--n", "2", *STEPS),
            ("sample", trained, "--n", "2", *STEPS, "--whole"),
            ("complete", trained, "The class", "--n", "2", *STEPS),
            ("complete", trained, "The class", "--n", "2", *STEPS, "--whole"),
            ("complete", trained, "The class", "--n", "2", *STEPS, "--guidance", "2"),
            ("infill", trained, "a ___ b", "--n", "2", *STEPS),
        )
    ]
    assert [code for code, _, _ in texts] == [0] * 6
    # After six updates guidance has nothing to go by.
    assert len({printed for _, printed, _ in (*texts[:4], texts[5])}) == 5


def test_tokens_alone_take_one_call_by_default(
    trained: Path, blocks: Path, tmp_path: Path, capsys: Any
) -> None:
    for words, calls in (
        (("sample", trained), 1), (("sample", trained, "--steps", "3"), 3),
        (("complete", trained, "The class"), 1), (("sample", trained, "--steps", "1"), 1),
        (("sample", trained, "--whole"), 64), (("infill", trained, "a ___ b"), 64),
        (("sample", blocks), 64), (("sample", trained, "--churn", "0.2"), 64),
    ):  # fmt: skip
        code, _, err = run(capsys, *words, "--n", "2")
        assert code == 0, err
        assert f", {calls} denoiser calls each" in err, words
    out = tmp_path / "e.json"
    few = ("--windows", "4", "--n", "4", "--out", out)
    assert run(capsys, "evaluate", trained, *few)[0] == 0
    rows = json.loads(out.read_text())["tables"][1]["rows"]
    assert [row["name"] for row in rows] == ["held-out text", "drawn"]
    assert rows[1]["values"]["calls"] == 1
    code, _, err = run(capsys, "sample", trained, "--steps", "-1")
    assert code == 2
    assert "--steps -1: give at least 1" in err


def test_without_blocks_there_is_one_way(train_as: Callable[..., Path], capsys: Any) -> None:
    run_of_windows = train_as("windows", "--block", "0")
    capsys.readouterr()
    assert opened(run_of_windows).denoiser.block == 0
    found = [
        run(capsys, "sample", run_of_windows, "--n", "2", *STEPS, *more)[1]
        for more in ((), ("--whole",))
    ]
    assert found[0] == found[1]


def test_it_goes_on_where_it_was(
    blocks: Path, corpus: Path, train_as: Callable[..., Path], capsys: Any
) -> None:
    """Six updates and six more are twelve: the same measures to the last digit."""
    more = ["--steps", "12", "--save-every", "3", "--eval-every", "3", "--block", "5"]
    more += ["--ordered", "0.4"]
    few = QUICK[:4]
    out = train_as("further", "--block", "5", "--ordered", "0.4", "--eval-every", "3")
    assert run(capsys, "train", corpus, "--out", out, *few, *more)[0] == 0
    whole = out.parent / "whole"
    assert run(capsys, "train", corpus, "--out", whole, *few, *more)[0] == 0
    assert (out / "done.json").read_text() == (whole / "done.json").read_text()
    code, _, err = run(capsys, "train", corpus, "--out", blocks, *few, *more)
    assert code == 2
    assert "ordered" in err.splitlines()[-1]


@pytest.mark.parametrize("length", [7, 12, 30])
def test_it_writes_texts_of_any_length(blocks: Path, length: int, capsys: Any) -> None:
    options = ("--n", "3", "--length", str(length), *STEPS, "--past-end")
    code, first, err = run(capsys, "sample", blocks, *options)
    assert code == 0, err
    assert first.count("-----\n") == 3
    assert run(capsys, "sample", blocks, *options, "--chunk", "2")[1] == first
    fewer = run(capsys, "sample", blocks, *options, "--n", "1")[1]
    assert first.startswith(fewer.rstrip("\n"))


def test_it_goes_on_behind_prompts(blocks: Path, tmp_path: Path, capsys: Any) -> None:
    code, printed, _ = run(capsys, "complete", blocks, "The class", "--n", "2", *STEPS)
    assert code == 0
    assert all(text.startswith("The class") for text in printed.split("-----\n")[1:])
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("The\nA list of the\n")
    code, printed, _ = run(capsys, "sample", blocks, "--prompts", prompts, "--n", "1", *STEPS)
    assert code == 0
    assert [t[:3] for t in printed.split("-----\n")[1:]] == ["The", "A l"]
    prompts.write_text(f"The\n\n{'A list of the ' * 20}\n")
    code, _, err = run(capsys, "complete", blocks, "--prompts", prompts, *STEPS)
    assert code == 2
    assert "error: prompt 2 of 2: a prompt of " in err


def test_it_is_measured_beside_others(
    blocks: Path, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "e.json"
    options = ("--windows", "8", "--n", "4", *STEPS, "--beside", trained, "--out", out)
    code, _, err = run(capsys, "evaluate", blocks, *options)
    assert code == 0, err
    rows = {row["name"]: row["values"] for row in json.loads(out.read_text())["tables"][0]["rows"]}
    assert [name for name in rows if name.startswith(("blocks", "trained"))] == [
        "blocks (bits, blocks of 5)", "blocks (bits, blocks of 5, two passes)",
        "trained (bits, one pass)", "trained (bits, two passes)", "trained (bits, blocks of 1)",
    ]  # fmt: skip
    text = tmp_path / "some.txt"
    text.write_text("The class of all classes, and a list of the list.\n" * 4)
    code, printed, err = run(capsys, "evaluate", blocks, "--text", text, "--stride", "4")
    assert code == 0, err
    assert "perplexity per word" in printed
    for by in ("bit", "position"):
        assert run(capsys, "profile", blocks, "--by", by, "--windows", "8")[0] == 0


def test_what_it_cannot_do_is_said(blocks: Path, corpus: Path, tmp_path: Path, capsys: Any) -> None:
    def refused(*words: object) -> str:
        code, _, err = run(capsys, *words)
        assert code == 2
        return err.splitlines()[-1]

    assert "was trained with --ordered 1 and has never seen what stands behind a gap" in refused(
        "infill", blocks, "a ___ b", *STEPS
    )
    guided = refused("complete", blocks, "The", "--guidance", "2", *STEPS)
    assert "--guidance 2: the run was trained with --ordered 1" in guided
    assert "--whole: the run was trained" in refused("sample", blocks, "--whole", *STEPS)
    out = ("train", corpus, "--out", tmp_path / "new", *QUICK)
    assert "--block 13: give 1 to 12" in refused(*out, "--block", "13")
    assert "give tiny or small" in refused(*out, "--block", "2", "--network", "linear-patch")
    assert "only bits are learned in blocks" in refused(*out, "--block", "2", "--method", "masked")
    assert "only bits are learned in blocks" in refused(*out, "--block", "2", "--clusters", "8")
    assert "--ordered 2: give a share" in refused(*out, "--ordered", "2")
    assert "--predict tokens: is of bits alone" in refused(
        *out, "--predict", "tokens", "--clusters", "8"
    )
    assert not (tmp_path / "new").exists()
