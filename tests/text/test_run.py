"""The whole path on real text, from nothing to a table: what each verb leaves and prints."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_text.data.corpus import Corpus
from infonoise_text.data.open import CACHE_VARIABLE
from infonoise_text.interface import INTERFACE

from .command_line import QUICK, STEPS, opened, run


@pytest.fixture(scope="module")
def autoregressive(train_as: Callable[..., Path]) -> Path:
    return train_as("autoregressive", "--method", "autoregressive")


@pytest.fixture(scope="module")
def embedding(train_as: Callable[..., Path]) -> Path:
    return train_as("embedding", "--method", "embedding")


@pytest.fixture(params=["autoregressive", "masked", "embedding"])
def baseline(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_train_leaves_a_run_that_speaks_for_itself(trained: Path, corpus: Path) -> None:
    # Other tests measure this run.
    assert {path.name for path in trained.iterdir()} - {"evaluation.json"} == {
        "config.json", "config.yaml", "checkpoints", "metrics.jsonl", "profile.json", "done.json",
        "tokenizer", "codes.safetensors", "samples", "infonoise.json",
    }  # fmt: skip
    settings = json.loads((trained / "config.json").read_text())
    assert settings["tokens"]["vocabulary"] == 512
    assert settings["tokens"]["digest"] == Corpus.open(corpus).digest
    assert "bits_per_byte" in json.loads((trained / "done.json").read_text())
    assert EntropyRateProfile.load(trained / "profile.json").dim == 12 * 9
    found = opened(trained)
    assert found.tokenizer.digest == Corpus.open(corpus).tokenizer.digest


def test_one_command_works_from_nothing(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a plain text file, here; `pydoc` goes the same way."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    text = tmp_path / "text.txt"
    text.write_text("".join(f"line {i} of the text, and {i * i}\n" for i in range(400)))
    out = tmp_path / "out"
    options = ("--vocab-size", "300", "--length", "8", "--steps", "2", "--batch-size", "4")
    code, printed, err = run(capsys, "train", text, "--out", out, *options)
    assert code == 0, err
    assert "bits per byte" in printed
    assert run(capsys, "sample", out, "--n", "1", *STEPS, "--grid", "karras")[0] == 0
    assert INTERFACE.data == "pydoc"


def test_the_same_command_goes_on_and_another_is_refused(
    trained: Path, corpus: Path, tmp_path: Path, capsys: Any
) -> None:
    code, _, err = run(capsys, "train", corpus, "--out", trained, *QUICK)
    assert (code, err.splitlines()[-1]) == (
        2,
        f"error: {trained} holds a finished run: give more --steps to train it further, or another"
        " --out or --overwrite",
    )  # fmt: skip


def test_sample_prints_texts_that_the_seed_decides(trained: Path, capsys: Any) -> None:
    code, first, err = run(capsys, "sample", trained, "--n", "3", *STEPS)
    assert code == 0
    assert first.count("-----\n") == 3
    assert "3 texts of 12 tokens, 5 denoiser calls each" in err
    assert run(capsys, "sample", trained, "--n", "3", *STEPS)[1] == first
    assert run(capsys, "sample", trained, "--n", "3", *STEPS, "--seed", "1")[1] != first
    churned = ("--churn", "0.3", "--churn-gate", "band")
    assert run(capsys, "sample", trained, "--n", "3", *STEPS, *churned)[1] != first


def test_sample_writes_json_lines(trained: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "new" / "s.jsonl"
    options = ("sample", trained, "--n", "3", "--length", "7", *STEPS, "--out", out)
    assert run(capsys, *options)[0] == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    tokenizer = opened(trained).tokenizer
    assert [len(row["tokens"]) for row in rows] == [7, 7, 7]
    assert [row["text"] for row in rows] == [tokenizer.decode(row["tokens"]) for row in rows]
    assert {row["invalid"] for row in rows} == {0}
    assert [p.name for p in out.parent.iterdir()] == ["s.jsonl"]


def test_complete_begins_with_the_prompt_and_infill_keeps_what_is_given(
    trained: Path, capsys: Any
) -> None:
    code, printed, _ = run(capsys, "complete", trained, "The class", "--n", "2", *STEPS)
    assert code == 0
    assert all(text.startswith("The class") for text in printed.split("-----\n")[1:])
    guided = run(capsys, "complete", trained, "The class", "--n", "2", *STEPS, "--guidance", "3")
    assert guided[0] == 0
    assert "10 denoiser calls each" in guided[2]
    code, printed, err = run(capsys, "infill", trained, "a ___ b", "--n", "2", *STEPS)
    assert code == 0
    for text in printed.split("-----\n")[1:]:
        assert text.startswith("a ")
        assert text.endswith(" b\n")
    code, printed, err = run(capsys, "infill", trained, "a ___ b", "--gap", "2", *STEPS)
    given = sum(len(opened(trained).tokenizer.encode(s)) for s in ("a ", " b"))
    assert f"4 texts of {given + 2} tokens" in err


def test_evaluate_stands_beside_ngrams_and_other_runs(
    trained: Path, baseline: Path, tmp_path: Path, capsys: Any
) -> None:
    out, plot = tmp_path / "e.json", tmp_path / "f.svg"
    code, printed, err = run(
        capsys, "evaluate", trained, "--windows", "8", "--n", "4", *STEPS, "--churns", "0.0",
        "0.2", "--beside", baseline, "--out", out, "--plot", plot,
    )  # fmt: skip
    assert code == 0, err
    results = json.loads(out.read_text())
    bits, generated = results["tables"]
    names = [row["name"] for row in bits["rows"]]
    assert names == [
        "trained (bits, one pass)", "trained (bits, two passes)", "trained (bits, blocks of 1)",
        f"{baseline.name} ({baseline.name})", "token unigram", "token bigram",
        *(f"byte {k}-gram" for k in range(1, 7)),
    ]  # fmt: skip
    assert (results["format"], results["split"]) == ("infonoise-evaluation", "test")
    assert results["step"] == 6
    assert all(row["values"]["bits per byte"] > 0 for row in bits["rows"])
    rows = {row["name"]: row["values"] for row in generated["rows"]}
    assert list(rows) == ["held-out text", "churn 0", "churn 0.2"]
    assert {row["calls"] for row in rows.values()} == {0, 5}
    for row in rows.values():
        assert row["perplexity by n-grams"] > 1
        assert 0 < row["entropy"] < 2.5  # at most ln 12
    assert plot.read_text().startswith("<?xml")
    for word in ("byte 6-gram", "entropy", "without a token", "churn 0.2"):
        assert word in printed


def test_evaluate_takes_a_baseline_alone(baseline: Path, capsys: Any) -> None:
    code, _, err = run(capsys, "evaluate", baseline, "--windows", "8", "--n", "4")
    assert code == 0, err
    results = json.loads((baseline / "evaluation.json").read_text())
    rows = results["tables"][1]["rows"]
    if baseline.name != "embedding":
        assert [row["name"] for row in rows] == ["held-out text", baseline.name]
        # One call for each token, more are of no use.
        assert rows[1]["values"]["calls"] == 12
    assert all(row["values"]["perplexity by n-grams"] > 1 for row in rows)
    assert run(capsys, "sample", baseline, "--n", "2")[0] == 0


def test_evaluate_from_elsewhere_names_the_option_that_helps(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(corpus.parent)
    out = tmp_path / "out"
    assert run(capsys, "train", corpus.name, "--out", out, *QUICK)[0] == 0
    monkeypatch.chdir(tmp_path)
    options = ("evaluate", out, "--samples", "0", "--windows", "4")
    code, _, err = run(capsys, *options)
    assert code == 2
    assert f"trained on {corpus.name}: where that lies elsewhere, give it with --data" in err
    assert run(capsys, *options, "--data", corpus)[0] == 0
    # Numbers of one split do not take the place of another's without a word.
    code, _, err = run(capsys, *options, "--data", corpus, "--split", "val")
    assert code == 0
    assert "evaluation.json was of split test and is replaced; --out keeps both" in err


def test_a_report_shows_text_measures_and_curves(
    trained: Path, tmp_path: Path, capsys: Any
) -> None:
    """Of what training left in samples/, and of the last evaluation."""
    shown = [path.read_text() for path in sorted((trained / "samples").iterdir())]
    assert shown
    assert all(text.count("\n-----\n") == 3 for text in shown)
    assert run(capsys, "evaluate", trained, "--samples", "0", "--windows", "4")[0] == 0
    out = tmp_path / "report.html"
    code, _, err = run(capsys, "report", trained, "--out", out)
    assert code == 0, err
    page = out.read_text()
    for words in ("held-out texts", "generated texts", "byte 6-gram", "Entropy rate of the data"):
        assert words in page
    assert page.count("-----") >= 6


def test_profile_by_parts(trained: Path, tmp_path: Path, capsys: Any) -> None:
    assert "entropy" in run(capsys, "profile", trained)[1]
    for by, first, count in (("bit", "bit 1", 9), ("position", "tokens 1-2", 6)):
        save, out = tmp_path / f"{by}.json", tmp_path / f"{by}.png"
        code, printed, err = run(
            capsys, "profile", trained, "--by", by, "--windows", "6", "--save", save, "--out", out
        )
        assert code == 0, err
        profile = EntropyRateProfile.load(save)
        assert next(iter(profile.groups)) == first
        assert len(profile.groups) == count
        torch.testing.assert_close(torch.stack([*profile.groups.values()]).sum(0), profile.rate)
        shares = [float(x) for x in re.findall(r"([\d.]+)%", printed)]
        # Rounded to a tenth of a percent each.
        assert sum(shares) == pytest.approx(100, abs=0.05 * count + 1e-9)
        assert out.stat().st_size > 1000


@pytest.mark.parametrize("codes", ["binary", "semantic"])
def test_compare_reports_with_text(codes: str, corpus: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    code, _, err = run(
        capsys, "compare", corpus, "--out", out, "--steps", "2", "--batch-size", "4", "--length",
        "6", "--schedules", "edm,infonoise", "--codes", codes,
    )  # fmt: skip
    assert code == 0, err
    results = json.loads((out / "results.json").read_text())
    assert [arm["schedule"] for arm in results["arms"]] == ["edm", "infonoise"]
    assert results["data"]["vocabulary"] == 512
    assert results["measures"][0]["name"] == "bits_per_byte"
    page = (out / "report.html").read_text()
    assert "held-out text" in page
    assert page.count("-----") >= 3 * 3
