"""The whole path on real text, from nothing to a table: what each verb leaves and prints, and
mistakes that end in one line.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_core.profile import EntropyRateProfile
from infonoise_text.cli import main
from infonoise_text.commands.train import Train
from infonoise_text.data import Corpus
from infonoise_text.documents import Documents
from infonoise_text.prepare import prepare
from infonoise_text.presets import TRAIN_PRESETS
from infonoise_text.source import CACHE_VARIABLE
from infonoise_text.tokens import SentencePiece
from infonoise_text.trained import open_trained

QUICK = ["--length", "12", "--batch", "8", "--updates", "6", "--save-every", "3"]
# A few levels, so that verbs take no time.
STEPS = ["--steps", "5"]


def run(capsys: Any, *argv: object) -> tuple[int, str, str]:
    code = main([str(a) for a in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def corpus(
    tmp_path_factory: pytest.TempPathFactory, topics: list[str], tokenizer: SentencePiece
) -> Path:
    out = tmp_path_factory.mktemp("run") / "corpus"
    documents = Documents("topics", lambda: iter(topics))
    return prepare(documents, out, tokenizer=tokenizer, semantic=True).folder


@pytest.fixture(scope="module")
def trained(corpus: Path) -> Path:
    out = corpus.parent / "trained"
    assert main(["train", str(corpus), "--out", str(out), *QUICK]) == 0
    return out


@pytest.fixture(scope="module")
def fixed(corpus: Path) -> Path:
    """A run that has measured no profile."""
    out = corpus.parent / "fixed"
    options = [*QUICK, "--schedule", "edm", "--codes", "semantic"]
    assert main(["train", str(corpus), "--out", str(out), *options]) == 0
    return out


def of_method(method: str, corpus: Path) -> Path:
    out = corpus.parent / method
    assert main(["train", str(corpus), "--out", str(out), *QUICK, "--method", method]) == 0
    return out


@pytest.fixture(scope="module")
def autoregressive(corpus: Path) -> Path:
    return of_method("autoregressive", corpus)


@pytest.fixture(scope="module")
def masked(corpus: Path) -> Path:
    return of_method("masked", corpus)


@pytest.fixture(scope="module")
def embedding(corpus: Path) -> Path:
    return of_method("embedding", corpus)


@pytest.fixture(params=["autoregressive", "masked", "embedding"])
def baseline(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


# The whole path


def test_train_leaves_a_run_that_speaks_for_itself(trained: Path, corpus: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {
        "config.json", "config.yaml", "checkpoints", "metrics.jsonl", "profile.json", "done.json",
        "tokenizer", "codes.safetensors",
    }  # fmt: skip
    settings = json.loads((trained / "config.json").read_text())
    assert settings["tokens"]["vocabulary"] == 512
    assert settings["tokens"]["digest"] == Corpus.open(corpus).digest
    assert "bits_per_byte" in json.loads((trained / "done.json").read_text())
    assert EntropyRateProfile.load(trained / "profile.json").dim == 12 * 9
    found = open_trained(trained, "cpu")
    assert found.tokenizer.digest == Corpus.open(corpus).tokenizer.digest


def test_one_command_works_from_nothing(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a plain text file, here; `pydoc` goes the same way."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    text = tmp_path / "text.txt"
    text.write_text("".join(f"line {i} of the text, and {i * i}\n" for i in range(400)))
    out = tmp_path / "out"
    options = ("--vocab-size", "300", "--length", "8", "--updates", "2", "--batch", "4")
    code, printed, err = run(capsys, "train", text, "--out", out, *options)
    assert code == 0, err
    assert "bits per byte" in printed
    assert run(capsys, "sample", out, "--n", "1", *STEPS, "--grid", "karras")[0] == 0
    assert Train(out).data == "pydoc"


def test_the_same_command_goes_on_and_another_is_refused(
    trained: Path, corpus: Path, tmp_path: Path, capsys: Any
) -> None:
    code, _, err = run(capsys, "train", corpus, "--out", trained, *QUICK)
    assert (code, err.splitlines()[-1]) == (
        2, f"error: {trained} holds a finished run: give another --out or --overwrite",
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
    tokenizer = open_trained(trained, "cpu").tokenizer
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
    given = sum(len(open_trained(trained, "cpu").tokenizer.encode(s)) for s in ("a ", " b"))
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
    names = list(results["bits_per_byte"])
    assert names == [
        "trained (bits, one pass)", "trained (bits, two passes)",
        f"{baseline.name} ({baseline.name})", *(f"byte {k}-gram" for k in range(1, 7)),
    ]  # fmt: skip
    assert all(row["bits_per_byte"] > 0 for row in results["bits_per_byte"].values())
    generated = results["generated"]
    assert list(generated) == ["held-out text", "churn 0", "churn 0.2"]
    assert {row["nfe"] for row in generated.values()} == {0, 5}
    for row in generated.values():
        assert row["perplexity"] > 1
        assert 0 < row["entropy"] < 2.5  # at most ln 12
    assert plot.read_text().startswith("<?xml")
    for word in ("byte 6-gram", "entropy", "no token", "churn 0.2"):
        assert word in printed


def test_evaluate_takes_a_baseline_alone(baseline: Path, capsys: Any) -> None:
    code, _, err = run(capsys, "evaluate", baseline, "--windows", "8", "--n", "4")
    assert code == 0, err
    results = json.loads((baseline / "evaluation.json").read_text())
    rows = list(results["generated"].values())
    if baseline.name != "embedding":
        assert list(results["generated"]) == ["held-out text", baseline.name]
        # One call for each token, more are of no use.
        assert rows[1]["nfe"] == 12
    assert all(row["perplexity"] > 1 for row in rows)
    assert run(capsys, "sample", baseline, "--n", "2")[0] == 0


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
        capsys, "compare", corpus, "--out", out, "--updates", "2", "--batch", "4", "--length",
        "6", "--schedules", "edm,infonoise", "--codes", codes,
    )  # fmt: skip
    assert code == 0, err
    results = json.loads((out / "results.json").read_text())
    assert [arm["schedule"] for arm in results["arms"]] == ["edm", "infonoise"]
    assert results["data"]["vocabulary"] == 512
    assert results["measures"][0]["name"] == "bits_per_byte"
    page = (out / "report.html").read_text()
    assert "held-out text" in page
    assert page.count("-----") >= 3 * 5


# Presets


def test_presets_are_the_published_ones(capsys: Any) -> None:
    code, printed, _ = run(capsys, "presets")
    assert code == 0
    assert "cobit" in printed
    made = {name: make() for name, make in TRAIN_PRESETS.items()}
    for name, length, tokenizer, network in (
        ("cobit-s-lm1b", 128, "bert-base-uncased", "cobit-s"),
        ("cobit-s-owt", 1024, "gpt2", "cobit-s"),
        ("cobit-m-owt", 1024, "gpt2", "cobit-m"),
    ):
        train = made[name]
        assert (train.objective.length, train.objective.network) == (length, network)
        assert train.corpus.tokenizer == tokenizer
        assert (train.train.updates, train.train.batch, train.train.lr) == (1_000_000, 512, 3e-4)
        assert (train.schedule, train.engine.precision) == ("infonoise-sqrt", "bf16")
        assert (train.train.ema_decay, train.train.weight_decay) == (0.9999, 0.01)


def test_a_preset_can_be_changed_in_part(corpus: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    code, _, err = run(
        capsys, "train", corpus, "--out", out, "--preset", "laptop", *QUICK, "--network", "tiny"
    )
    assert code == 0, err
    settings = json.loads((out / "config.json").read_text())
    assert settings["train"]["lr_schedule"] == "cosine"
    assert settings["objective"]["network"] == "tiny"
    code, _, err = run(capsys, "train", "--out", out, "--preset", "cobit-s-lm1b")
    assert code == 2
    assert err.startswith("error: Missing from infonoise-text train: ")


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["complete", "{trained}", "word " * 90], "a prompt of"),
        (["infill", "{trained}", "no gap"], "no gap to fill"),
        (["infill", "{trained}", "a ___ b", "--gap", "40"], "leaves"),
        (["sample", "{trained}", "--length", "13"], "has learned windows of 12 tokens"),
        (["sample", "{trained}", "--n", "0"], "--n 0: give at least 1"),
        (["sample", "{trained}", "--guidance", "2"], "--guidance 2 without given tokens"),
        (["sample", "{trained}", "--out", "{corpus}"], "is a folder: give a file name"),
        (["sample", "{corpus}"], "no run here"),
        (["sample", "{fixed}"], "--grid entropic needs a profile and there is none"),
        (
            ["sample", "{fixed}", "--grid", "karras", "--churn", "0.1"],
            "--churn-gate band needs a profile",
        ),
        (["evaluate", "{trained}", "--churns", "0.9"], "--churns 0.9: give 0 to 0.4142"),
        (["evaluate", "{fixed}"], "--grid entropic needs a profile"),
        (["evaluate", "{trained}", "--churn", "0.1"], "give --churns here"),
        (["evaluate", "{trained}", "--mauve"], "--mauve without --lm"),
        (["evaluate", "{trained}", "--data", "nothing"], "nothing: not found"),
        (["evaluate", "{trained}", "--lm", "folder"], "infonoise-text[lm]"),
        (["profile", "{trained}", "--save", "p.json"], "--save without --by"),
        (["profile", "{fixed}"], "no profile here"),
        (["complete", "{masked}", "a"], "complete takes runs of bits"),
        (["profile", "{masked}", "--by", "bit"], "profile --by takes runs of bits"),
        (["train", "{corpus}", "--out", "o", "--method", "diffusion"], "--method"),
        (["train", "{corpus}", "--out", "o", "--length", "99999"], "fewer than one window"),
        (["train", "{corpus}", "--out", "o", "--vocab-size", "300"], "with 512 tokens"),
        (["train", "{corpus}", "--out", "o", "--schedule", "karras"], "no such schedule"),
        (["train", "empty.txt", "--out", "o"], "empty.txt: no text in it"),
        (["train", "latin.txt", "--out", "o"], "latin.txt: not UTF-8 at byte 3"),
        (["train", "a.txt", "--out", "o", "--vocab-size", "5000"], "a.txt supports at most"),
        (["compare", "empty.txt", "--out", "o"], "empty.txt: no text in it"),
        (["compare", "{corpus}", "--out", "o", "--schedules", "edm,edm"], "stands there twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_costs_nothing(
    arguments: list[str],
    message: str,
    trained: Path,
    fixed: Path,
    masked: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n" * 9)
    places = {"trained": trained, "fixed": fixed, "masked": masked, "corpus": corpus}

    def state() -> dict[Path, Any]:
        roots = (trained, fixed, masked, corpus, tmp_path)
        files = [p for root in roots for p in root.rglob("*") if p.is_file()]
        return {p: p.read_bytes() for p in files if "cache" not in p.parts}

    before = state()
    code, _, err = run(capsys, *(a.format(**places) for a in arguments))
    assert code == 2, err
    last = err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert state() == before


def test_text_of_another_tokenizer_is_refused(
    trained: Path, topics: list[str], tmp_path: Path, capsys: Any
) -> None:
    """With the way out: the tokenizer that the run holds."""
    other = prepare(Documents("b", lambda: iter(topics)), tmp_path / "other", vocab_size=400)
    code, _, err = run(capsys, "evaluate", trained, "--data", other.folder, "--n", "0")
    assert code == 2
    assert f"prepare it with --tokenizer {trained / 'tokenizer'}" in err
    out, source = tmp_path / "again", tmp_path / "source"
    source.mkdir()
    for i, text in enumerate(topics):
        (source / f"{i:02}.txt").write_text(text)
    options = ("--tokenizer", trained / "tokenizer")
    assert run(capsys, "prepare", source, "--out", out, *options)[0] == 0
    code, _, err = run(capsys, "evaluate", trained, "--data", out, "--n", "0", "--windows", "4")
    assert code == 0, err
