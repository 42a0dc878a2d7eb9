"""A whole text in overlapping windows: every token is charged once, behind what it may see."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.evaluation.likelihood import Bound
from infonoise_text.evaluation.ngram import NGram
from infonoise_text.evaluation.whole import WholeText, overlapping, text_bound

from ..command_line import opened, run


@pytest.mark.parametrize("tokens", [5, 8, 9, 23, 64])
@pytest.mark.parametrize("stride", [1, 3, 5])
def test_every_token_is_charged_once(tokens: int, stride: int) -> None:
    """A cost that is each token's own number adds up to the sum of all."""
    ids = torch.arange(1, tokens + 1)
    seen: list[Tensor] = []

    def cost(windows: Tensor, known: int) -> Tensor:
        assert windows.shape[1] == min(5, tokens)
        seen.append(windows[:, known:].flatten())
        return windows[:, known:].double().sum(1)

    found = text_bound(cost, ids, 5, stride)
    assert torch.equal(torch.cat(seen).sort().values, ids)
    assert found.nats == pytest.approx(float(ids.double().mean()))
    for _, known in overlapping(tokens, min(5, tokens), stride):
        # The first window alone has nothing given; the last one may have more.
        assert known in (0, 5 - stride) or known > 5 - stride


@pytest.mark.parametrize("stride", [0, 6])
def test_a_stride_leaves_no_token_out(stride: int) -> None:
    with pytest.raises(InputError, match=f"--stride {stride}: give 1 to 5"):
        list(overlapping(20, 5, stride))


def test_measures_are_the_units_of_published_tables() -> None:
    """10 tokens at ln 4 nats are 20 bits: of 5 bytes, 4 characters and 2 words."""
    text = WholeText(torch.zeros(10, dtype=torch.long), 5, 4, 2, True)
    found = text.measures(Bound(math.log(4), 0.1))
    assert found["bits per byte"] == pytest.approx(4)
    assert found["bits per character"] == pytest.approx(5)
    assert found["perplexity per token"] == pytest.approx(4)
    assert found["perplexity per word"] == pytest.approx(2**10)
    assert text.errors(Bound(1, 0.1))["bits per byte"] == pytest.approx(0.1 * 10 / math.log(2) / 5)


def test_one_short_text_is_one_window_without_an_error() -> None:
    found = text_bound(lambda w, known: w.double().sum(1), torch.ones(3), 8, 4)
    assert found.nats == 1
    assert math.isnan(found.stderr)


TEXT = "The class statement binds a name.\nCafé, and more of it.\n"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere.txt"
    path.write_text(TEXT)
    return path


def table_of(path: Path) -> dict[str, Any]:
    (table,) = json.loads(path.read_text())["tables"]
    assert isinstance(table, dict)
    return table


def test_a_text_is_measured_whole_and_in_a_file_of_its_own(
    trained: Path, masked: Path, elsewhere: Path, tmp_path: Path, capsys: Any
) -> None:
    before = (trained / "evaluation.json").exists()
    options = ("--text", elsewhere, "--stride", "6", "--beside", masked)
    code, printed, err = run(capsys, "evaluate", trained, *options)
    assert code == 0, err
    assert "elsewhere.txt" in printed
    assert (trained / "evaluation.json").exists() == before
    # Other tests look at what is in this run.
    own = (trained / "evaluation-elsewhere.txt.json").rename(tmp_path / "own.json")
    table = table_of(own)
    rows = {row["name"]: row["values"] for row in table["rows"]}
    settings = table["settings"]
    assert (settings["bytes"], settings["characters"], settings["words"]) == (
        len(TEXT.encode()), len(TEXT), len(TEXT.split()),
    )  # fmt: skip
    tokenizer = opened(trained).tokenizer
    assert settings["tokens"] == len(tokenizer.encode(TEXT)) + 1
    # Nearly untrained: near the nine bits of a token.
    assert rows["trained (bits, one pass)"]["nats per token"] < 1.3 * 9 * math.log(2)
    assert set(rows) >= {"masked (masked)", "token unigram", "token bigram", "byte 6-gram"}


def test_an_autoregressive_run_costs_what_its_windows_say(
    train_as: Callable[..., Path], elsewhere: Path, capsys: Any
) -> None:
    """Beside the sum over tokens, each by a call of its own."""
    path = train_as("behind", "--method", "autoregressive")
    assert run(capsys, "evaluate", path, "--text", elsewhere, "--stride", "4")[0] == 0
    (row,) = [
        row for row in table_of(path / "evaluation-elsewhere.txt.json")["rows"]
        if row["name"].startswith("behind")
    ]  # fmt: skip
    found = opened(path)
    ids = torch.tensor([*found.tokenizer.encode(TEXT), found.tokenizer.end])
    total, length = 0.0, 12
    for i in range(len(ids)):
        # The window in which token i is charged.
        start = 0 if i < length else min(4 * ((i - length) // 4 + 1), len(ids) - length)
        window = ids[start : start + length]
        with torch.no_grad():
            logits = found.denoiser(window[None])[0, i - start]
        total -= float(logits.log_softmax(-1)[ids[i]])
    assert row["values"]["nats per token"] == pytest.approx(total / len(ids), rel=1e-5)


def test_bigrams_beside_it_read_on_from_the_beginning(
    trained: Path, elsewhere: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "own.json"
    assert run(capsys, "evaluate", trained, "--text", elsewhere, "--out", out)[0] == 0
    table = table_of(out)
    rows = {row["name"]: row["values"] for row in table["rows"]}
    found = opened(trained)
    data = json.loads((trained / "config.json").read_text())["data"]
    from infonoise_text.data.corpus import Corpus

    train = Corpus.open(data).split("train").ids
    ids = torch.tensor([*found.tokenizer.encode(TEXT), found.tokenizer.end]).numpy()
    exact = NGram(train, found.tokenizer.size, 2).nats(ids).mean()
    assert rows["token bigram"]["nats per token"] == pytest.approx(exact)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--stride", "3"), "--stride 3 without --text"),
        (("--text", "missing.txt"), "missing.txt: not found"),
        (("--text", "@", "--stride", "13"), "--stride 13: give 1 to 12"),
    ],
)
def test_a_text_that_cannot_be_measured_is_refused(
    options: tuple[str, ...], told: str, trained: Path, elsewhere: Path, capsys: Any
) -> None:
    words = [str(elsewhere) if word == "@" else word for word in options]
    code, _, err = run(capsys, "evaluate", trained, *words)
    assert code == 2
    assert told in err
