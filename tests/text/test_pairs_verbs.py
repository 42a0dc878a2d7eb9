"""The verbs on a run of prompts and answers, and on one of padded windows."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.evaluation.schema import EVALUATION_FILE
from infonoise_text.cli import main
from infonoise_text.data.corpus import Corpus

from .command_line import STEPS, opened, run

QUICK = [
    "--length",
    "16",
    "--batch-size",
    "8",
    "--steps",
    "6",
    "--save-every",
    "3",
    "--eval-every",
    "3",
]
WORDS = ("ab", "ba", "abc", "cab", "bca", "acb", "ca", "ac", "bc", "cb")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 words and what they are backwards."""
    path = tmp_path_factory.mktemp("source") / "words.jsonl"
    asked = [f"{one}{other}{third}" for one in WORDS for other in WORDS for third in ("a", "b")]
    path.write_text(
        "".join(f"{json.dumps({'word': word, 'back': word[::-1]})}\n" for word in asked)
    )
    return path


@pytest.fixture(scope="module")
def pairs(source: Path) -> Path:
    out = source.parent / "pairs"
    options = ("--field", "word", "--answer", "back", "--tokenizer", "characters")
    assert main(["prepare", str(source), "--out", str(out), *options]) == 0
    return out


@pytest.fixture(scope="module")
def train_pairs(pairs: Path) -> Callable[..., Path]:
    def train(name: str, *options: str) -> Path:
        out = pairs.parent / name
        assert main(["train", str(pairs), "--out", str(out), *QUICK, *options]) == 0
        return out

    return train


@pytest.fixture(scope="module", params=["0.5", "1"])
def answering(train_pairs: Callable[..., Path], request: pytest.FixtureRequest) -> Path:
    """Of whole windows, and in blocks."""
    return train_pairs(f"{request.param}/answering", "--block", "3", "--ordered", request.param)


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "asked.jsonl"
    path.write_text('{"word": "abc"}\n{"word": "cab"}\n')
    return path


def test_prepare_says_what_pairs_there_are(source: Path, tmp_path: Path, capsys: Any) -> None:
    options = ("--field", "word", "--answer", "back", "--tokenizer", "characters")
    code, out, err = run(capsys, "prepare", source, "--out", tmp_path / "c", *options)
    assert (code, "train: 180 pairs" in out) == (0, True)
    assert "read: 200 pairs in 1 files (1 .jsonl)" in err


@pytest.mark.parametrize("verb", ["complete", "sample"])
def test_prompts_are_answered_up_to_the_end(
    verb: str, answering: Path, asked: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "answers.jsonl"
    options = (verb, answering, "--prompts", asked, "--samples", "3", *STEPS)
    code, _, err = run(capsys, *options, "--out", out)
    assert code == 0
    assert "6 answers, 5 denoiser calls each" in err
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["prompt"] for record in found] == ["abc"] * 3 + ["cab"] * 3
    tokenizer = opened(answering).tokenizer
    for record in found:
        assert tokenizer.end not in record["tokens"]
        assert record["answer"] == tokenizer.decode(record["tokens"])
        # The window has room for an answer and its end behind the prompt and its own.
        assert len(record["tokens"]) == 16 - 4 or record["ended"]
    code, printed, _ = run(capsys, *options)
    assert printed == "".join(f"-----\n{record['answer']}\n" for record in found)


def test_one_prompt_on_the_command_line(answering: Path, capsys: Any) -> None:
    code, printed, _ = run(capsys, "complete", answering, "abc", "--samples", "2", *STEPS)
    assert (code, printed.count("-----\n")) == (0, 2)


def test_a_long_prompt_is_read_from_its_end(answering: Path, capsys: Any) -> None:
    """Of a window of 16, the longest answer takes 8: the word and its end."""
    told = "a" * 30 + "bcabcab"
    results = [run(capsys, "complete", answering, p, *STEPS) for p in (told, told[-7:])]
    assert results[0][1] == results[1][1]
    assert "4 prompts are read from their last 8 tokens on" in results[0][2]
    assert "are read from" not in results[1][2]


def test_evaluate_measures_answers(answering: Path, capsys: Any) -> None:
    options = ("--samples", "10", "--windows", "10", "--churns", "0.0", *STEPS)
    code, out, _ = run(capsys, "evaluate", answering, *options)
    assert code == 0
    assert "10 answers" in out
    bits, answers = json.loads((answering / EVALUATION_FILE).read_text())["tables"]
    names = [row["name"] for row in bits["rows"]]
    whole = ["answering (bits, one pass)", "answering (bits, two passes)"]
    in_order = ["answering (bits, blocks of 3)", "answering (bits, blocks of 3, two passes)"]
    ways = in_order if answering.parent.name == "1" else [*whole, *in_order]
    assert names[: len(ways) + 1] == [*ways, "token unigram"]
    assert answers["name"] == "answers"
    (row,) = answers["rows"]
    assert set(row["values"]) == {"exact match", "ended", "share without a token", "calls"}
    assert 0 <= row["values"]["exact match"] <= row["values"]["ended"] <= 1


@pytest.mark.parametrize("method", ["autoregressive", "masked"])
def test_baselines_learn_and_answer(
    method: str, train_pairs: Callable[..., Path], answering: Path, asked: Path, capsys: Any
) -> None:
    made = train_pairs(f"beside {answering.parent.name}/{method}", "--method", method)
    code, printed, err = run(capsys, "complete", made, "--prompts", asked, "--samples", "2", *STEPS)
    assert (code, printed.count("-----\n")) == (0, 4)
    assert "4 answers" in err
    options = ("--samples", "0", "--windows", "10", "--beside", made)
    code, out, _ = run(capsys, "evaluate", answering, *options, "--split", "val")
    assert code == 0
    assert f"{method} ({method})" in " ".join(out.split())


def test_the_profile_by_position_has_nothing_of_prompts(answering: Path, capsys: Any) -> None:
    code, out, _ = run(capsys, "profile", answering, "--by", "position", "--windows", "20")
    assert code == 0
    first = next(line for line in out.splitlines() if "tokens 1-2" in line)
    assert first.split()[2] == "0.00"


def test_compare_and_report_show_prompts_and_answers(
    pairs: Path, answering: Path, tmp_path: Path, capsys: Any
) -> None:
    options = ("--length", "16", "--schedules", "log-uniform,infonoise", "--batch-size", "8")
    out = tmp_path / "compared"
    code, printed, _ = run(capsys, "compare", pairs, "--steps", "8", *options, "--out", out)
    assert code == 0
    assert "bits per byte" in printed
    assert run(capsys, "report", answering)[0] == 0
    tokenizer, split = opened(answering).tokenizer, Corpus.open(pairs).split("valid")
    assert split.pairs is not None
    first, _, _ = split.pairs.lengths[0].tolist()
    word = tokenizer.decode(split.ids[:first].tolist())
    for page in (out / "report.html", answering / "report.html"):
        text = page.read_text()
        assert f"{word}\n-&gt; {word[::-1]}" in text
        # Of each schedule, or of the run, and of the held-out pairs.
        assert text.count(f"{word}\n-&gt; ") == (3 if page.parent == out else 2)
    results = json.loads((out / "results.json").read_text())
    assert results["data"]["pairs"] == {"prompt": "word", "answer": "back", "longest": 8}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "{run}"], "sample: .* on prompts and answers; give a file of --prompts"),
        (["infill", "{run}", "a ___ b"], "infill: .* was trained on prompts and answers"),
        (["complete", "{run}", "abc", "--guidance", "2"], "--guidance 2: .* without its prompt"),
        (["complete", "{run}", "--prompts", "none.txt"], "--prompts none.txt: not found"),
        (["complete", "{run}", "--prompts", "{source}"], None),
        (["evaluate", "{run}", "--text", "{source}"], "--text: .* prompts and answers"),
        (["evaluate", "{run}", "--plot", "f.svg"], "--plot: .* prompts and answers"),
        (["train", "{pairs}", "--out", "o", "--method", "embedding"], "embedding with pairs"),
        (["train", "{pairs}", "--out", "o", "--clusters", "2"], "--clusters with pairs"),
        (["train", "{pairs}", "--out", "o", "--length", "2"], "nothing that fits windows of 2"),
        (["train", "{pairs}", "--out", "o", "--answer", "reply"], "has answers from 'back'"),
        (["prepare", "{source}", "--out", "o", "--answer", "reply", "--field", "word"],
         "no field 'reply' .* name it with --answer"),
        (["prepare", "{source}", "--out", "o", "--answer", "back"], "no field 'text'"),
        (["prepare", "--out", "o", "--answer", "back"], "pydoc has no pairs"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    arguments: list[str],
    message: str | None,
    answering: Path,
    pairs: Path,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"run": answering, "pairs": pairs, "source": source}
    if message is None:
        arguments, message = [*arguments[:-1], "p.jsonl"], "no field 'word'.*give records"
        (tmp_path / "p.jsonl").write_text('{"prompt": "abc"}\n')
    code, _, err = run(capsys, *[a.format(**given) for a in arguments])
    assert code == 2
    last = err.strip().splitlines()[-1]
    assert re.search(message, last), err
    assert not (tmp_path / "o").exists()


def test_a_run_without_pairs_is_no_run_of_pairs(corpus: Path, tmp_path: Path, capsys: Any) -> None:
    code, _, err = run(capsys, "train", corpus, "--out", tmp_path / "o", "--answer", "say")
    assert (code, "holds no pairs" in err) == (2, True)


def test_another_order_of_answers_is_other_data(
    pairs: Path, answering: Path, source: Path, tmp_path: Path, capsys: Any
) -> None:
    other = tmp_path / "other.jsonl"
    records = [json.loads(line) for line in source.read_text().splitlines()]
    other.write_text("".join(f"{json.dumps(r | {'back': r['word']})}\n" for r in records))
    options = ("--field", "word", "--answer", "back", "--tokenizer", str(pairs))
    assert run(capsys, "prepare", other, "--out", tmp_path / "c", *options)[0] == 0
    code, _, err = run(capsys, "evaluate", answering, "--data", tmp_path / "c")
    assert (code, "not the texts of" in err) == (2, True)


# Windows that respect documents


@pytest.fixture(scope="module")
def padded(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("padded") / "padded"
    options = ("--no-packing", *QUICK)
    assert main(["train", str(corpus), "--out", str(out), *options]) == 0
    return out


def test_a_padded_run_samples_and_measures(padded: Path, trained: Path, capsys: Any) -> None:
    code, printed, _ = run(capsys, "sample", padded, "--samples", "2", *STEPS)
    assert (code, printed.count("-----\n")) == (0, 2)
    options = ("--samples", "4", "--windows", "8", "--churns", "0.0", *STEPS)
    code, out, _ = run(capsys, "evaluate", padded, *options)
    assert (code, "perplexity by n-grams" in " ".join(out.split())) == (0, True)
    code, _, err = run(capsys, "evaluate", padded, *options, "--beside", trained)
    assert (code, "its windows are cut otherwise" in err) == (2, True)


def test_padded_windows_go_with_clusters_and_embeddings(
    corpus: Path, tmp_path: Path, capsys: Any
) -> None:
    for name, options in (("a", ["--clusters", "4"]), ("b", ["--method", "embedding"])):
        code, _, err = run(
            capsys, "train", corpus, "--out", tmp_path / name, "--no-packing", *QUICK, *options
        )
        assert code == 0, err
