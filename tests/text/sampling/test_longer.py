"""Texts beyond a window: each window goes on from the last half of the one before it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_text.data.spans import Given
from infonoise_text.sampling.longer import Heard, continued
from infonoise_text.sampling.text import Generated, Own

from ..command_line import STEPS, opened, run

WINDOW = 8


class Counting:
    """A model of 0, 1, 2 ...: behind what is given it counts on, from nothing it begins at 0."""

    def __init__(self, end: int = -1) -> None:
        self.end = end
        self.asked: list[tuple[int, int, list[int]]] = []

    def __call__(
        self, n: int, length: int, given: Given | None, own: Own, heard: Heard
    ) -> Generated:
        ids = torch.arange(length).repeat(n, 1)
        known = [0] * n
        if given is not None:
            known = given.known.sum(1).tolist()
            for row, k in enumerate(known):
                assert given.known[row, :k].all()
                if k:
                    ids[row] = torch.arange(length) + int(given.ids[row, 0])
                    assert torch.equal(ids[row, :k], given.ids[row, :k])
        self.asked.append((n, length, known))
        for _ in range(4):
            heard(n / 4, n)
        ids[ids == self.end] = 99
        return Generated(ids, ids == 5, 3)


@pytest.mark.parametrize("total", [1, 7, 8, 9, 12, 13, 40])
@pytest.mark.parametrize("prompt", [[], [3, 4], list(range(20))])
def test_windows_go_on_where_the_last_one_was(total: int, prompt: list[int]) -> None:
    model = Counting()
    (text,), calls = continued(model, [prompt], total, WINDOW)
    begin = prompt[0] if prompt else 0
    expected = max(total, len(prompt))
    assert text.ids == list(range(begin, begin + expected))
    assert calls == 3 * len(model.asked)
    for _, length, known in model.asked:
        assert length <= WINDOW
        assert all(k < length for k in known)


def test_texts_end_where_their_documents_do_and_others_go_on() -> None:
    model = Counting(end=11)
    grown: list[float] = []
    texts, _ = continued(
        model, [[], [10], [12]], 30, WINDOW, end=99, grown=lambda n: grown.append(n)
    )
    assert [text.ids for text in texts] == [list(range(11)), [10], list(range(12, 42))]
    assert [text.ended for text in texts] == [True, True, False]
    assert texts[0].invalid == 1
    # Told within each window, of texts as they are then; never more than there are.
    assert sum(grown) == pytest.approx(3)
    assert len(grown) >= 4 * len(model.asked)
    # One prompt of a token and 29 to come: after a quarter of 8 tokens' window and before the end.
    assert grown[0] == pytest.approx(2 / 30 + 2 * (7 / 4) / 29)
    assert min(grown) >= -1e-9
    # Those that have ended are not generated any more.
    assert model.asked[0][0] == 3
    assert model.asked[-1][0] == 1
    without, _ = continued(Counting(), [[]], 30, WINDOW)
    assert len(without[0].ids) == 30


def test_sample_goes_beyond_a_window(trained: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "s.jsonl"
    options = ("sample", trained, "--n", "2", "--length", "30", "--past-end", *STEPS)
    code, _, err = run(capsys, *options, "--out", out)
    assert code == 0, err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [len(row["tokens"]) for row in rows] == [30, 30]
    tokenizer = opened(trained).tokenizer
    assert [row["text"] for row in rows] == [tokenizer.decode(row["tokens"]) for row in rows]
    assert "2 texts of up to 30 tokens" in err


def test_the_same_seed_gives_the_same_texts_whatever_chunk_and_number_are(
    trained: Path, tmp_path: Path, capsys: Any
) -> None:
    found = []
    for n, chunk in ((3, 64), (3, 1), (2, 2)):
        out = tmp_path / f"{n}-{chunk}.jsonl"
        options = ("--n", n, "--chunk", chunk, "--churn", "0.2", *STEPS, "--out", out)
        assert run(capsys, "sample", trained, *options)[0] == 0
        found.append(out.read_text().splitlines())
    assert found[0] == found[1]
    assert found[2] == found[0][:2]


@pytest.mark.parametrize("kind", ["txt", "jsonl"])
def test_a_file_of_prompts_is_completed_together(
    kind: str, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    prompts = ["The class", "A", "The import statement"]
    lines = prompts if kind == "txt" else [json.dumps({"prompt": p, "id": 1}) for p in prompts]
    path, out = tmp_path / f"p.{kind}", tmp_path / "out.jsonl"
    path.write_text("\n".join([*lines, ""]))
    options = ("--prompts", path, "--n", "2", "--length", "20", *STEPS, "--out", out)
    code, _, err = run(capsys, "complete", trained, *options)
    assert code == 0, err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["prompt"] for row in rows] == [p for p in prompts for _ in range(2)]
    assert all(row["text"].startswith(row["prompt"]) for row in rows)
    own = tmp_path / "alone.jsonl"
    options = ("--n", "2", "--length", "20", *STEPS, "--out", own)
    assert run(capsys, "complete", trained, prompts[0], *options)[0] == 0
    assert own.read_text().splitlines() == out.read_text().splitlines()[:2]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "give a prompt, or --prompts"),
        (("a", "--prompts", "@"), "give a prompt, or --prompts"),
        (("--prompts", "@"), "no prompts in it"),
    ],
)
def test_prompts_that_are_none_are_refused(
    options: tuple[str, ...], told: str, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "p.txt"
    path.write_text("\n")
    code, _, err = run(capsys, "complete", trained, *(o.replace("@", str(path)) for o in options))
    assert code == 2
    assert told in err


def test_whole_tokens_go_no_further_than_a_window(masked: Path, capsys: Any) -> None:
    code, _, err = run(capsys, "sample", masked, "--length", "30")
    assert code == 2
    assert "--length 30, beyond its windows of 12 takes runs of bits" in err
    first = run(capsys, "sample", masked, "--n", "3")[1]
    assert run(capsys, "sample", masked, "--n", "2")[1] == "".join(first.rpartition("-----\n")[:1])


def test_windows_of_clusters_do_not_depend_on_chunks(
    train_as: Callable[..., Path], tmp_path: Path, capsys: Any
) -> None:
    path = train_as("clustered", "--clusters", "4")
    found = []
    for chunk in (64, 1):
        out = tmp_path / f"{chunk}.jsonl"
        options = ("--n", "3", "--chunk", chunk, "--length", "20", *STEPS, "--out", out)
        assert run(capsys, "sample", path, *options)[0] == 0
        found.append(out.read_text())
    assert found[0] == found[1]
