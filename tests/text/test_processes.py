"""Two real processes learn what one does, and go on where they were cut short: with torch alone and
under DeepSpeed, of tokens, of clusters beside them, of answers to prompts, and in blocks.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_text.cli import main
from infonoise_text.data.documents import Documents
from infonoise_text.data.prepare import prepare
from infonoise_text.tokenizers.sentencepiece import SentencePiece

from .training_run import launch

pytestmark = pytest.mark.slow

# 3 is no multiple of the schedule's refresh of 5 steps: increments are pending when it saves.
UPDATES, SAVED = 6, 3
QUICK = [
    "--length", "8", "--batch-size", "8", "--steps", str(UPDATES), "--save-every", str(SAVED),
    "--eval-every", "0", "--log-every", "1", "--lr-warmup", "2", "--lr", "2e-3",
    "--device", "cpu",
]  # fmt: skip
# What processes draw for themselves left out: which examples see a first pass, given tokens, and
# which examples are learned from left to right.
BARE = ["--self-cond", "0", "--infill", "0", "--ordered"]
KINDS = {"tokens": [], "clusters": ["--clusters", "8"], "pairs": [], "blocks": ["--block", "2"]}
LETTERS = "abcd"
ENGINES = {
    "torch": [],
    "zero-2": ["--engine", "deepspeed", "--zero", "2"],
    "zero-3": ["--engine", "deepspeed", "--zero", "3"],
}
PARAMETERS = [
    pytest.param(name, marks=[pytest.mark.deepspeed] if name != "torch" else []) for name in ENGINES
]


@pytest.fixture(scope="module")
def base(
    tmp_path_factory: pytest.TempPathFactory, topics: list[str], tokenizer: SentencePiece
) -> Path:
    """The corpus, and what one process learns of it."""
    folder = tmp_path_factory.mktemp("processes")
    documents = Documents.of("topics", topics)
    prepare(documents, folder / "corpus", tokenizer=tokenizer, semantic=True)
    asked = [f"{a}{b}{c}" for a in LETTERS for b in LETTERS for c in LETTERS]
    records = [json.dumps({"word": word, "back": word[::-1]}) for word in asked]
    (folder / "words.jsonl").write_text("\n".join(records))
    fields = ("--field", "word", "--answer", "back", "--tokenizer", "characters")
    out = ("--out", str(folder / "pairs"))
    assert main(["prepare", str(folder / "words.jsonl"), *out, *fields]) == 0
    for kind in KINDS:
        assert main(command(folder, f"single-{kind}", kind, bare(kind))) == 0
    return folder


def bare(kind: str) -> list[str]:
    return [*BARE, "1" if kind == "blocks" else "0"]


def command(base: Path, name: str, kind: str, options: list[str]) -> list[str]:
    corpus = base / ("pairs" if kind == "pairs" else "corpus")
    where = [str(corpus), "--out", str(base / name)]
    return ["train", *where, *QUICK, *KINDS[kind], *options]


@pytest.fixture(scope="module", params=PARAMETERS)
def engine(request: pytest.FixtureRequest, base: Path) -> str:
    """Its runs of two processes, and those that went on from half of them: two starts in all."""
    name: str = request.param
    runs = {
        f"{name}-{kind}-{'bare' if o else 'full'}": (kind, o)
        for kind in KINDS
        for o in (bare(kind), [])
    }
    launch([command(base, run, kind, [*ENGINES[name], *o]) for run, (kind, o) in runs.items()], 2)
    again = []
    for kind in KINDS:
        whole, cut = base / f"{name}-{kind}-full", base / f"{name}-{kind}-cut"
        shutil.copytree(whole, cut)
        (cut / "done.json").unlink()
        shutil.rmtree(cut / "checkpoints" / f"step-{UPDATES:08d}")
        again.append(command(base, cut.name, kind, ENGINES[name]))
    launch(again, 2)
    return name


def weights(run: Path, part: str = "ema") -> dict[str, torch.Tensor]:
    """Of all processes: each has written its share."""
    files = (run / "checkpoints" / f"step-{UPDATES:08d}").glob(f"{part}*.safetensors")
    found = {name: tensor for file in files for name, tensor in load_file(file).items()}
    assert found
    return found


def profiles(run: Path) -> dict[str, EntropyRateProfile]:
    return {path.name: EntropyRateProfile.load(path) for path in run.glob("*profile.json")}


def losses(run: Path) -> torch.Tensor:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = [line["loss"] for line in lines if "loss" in line]
    assert len(found) == UPDATES
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_what_one_does(engine: str, kind: str, base: Path) -> None:
    """Sums in another order: float32 has 6e-8, which 6 steps of AdamW raise to no more than 1e-4 of
    a loss; AdamW divides by gradients near zero, so single weights are held to a tenth of what they
    have moved, 6 steps of at most 2e-3."""
    pair, single = base / f"{engine}-{kind}-bare", base / f"single-{kind}"
    torch.testing.assert_close(losses(pair), losses(single), rtol=1e-4, atol=0)
    for name, value in weights(single).items():
        torch.testing.assert_close(weights(pair)[name], value, rtol=0, atol=1.2e-3)
    found, expected = profiles(pair), profiles(single)
    assert set(found) == set(expected)
    assert len(found) == (2 if kind == "clusters" else 1)
    for name, profile in expected.items():
        torch.testing.assert_close(found[name].rate, profile.rate, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_they_go_on_to_the_same_bits(engine: str, kind: str, base: Path) -> None:
    """Each with its own first passes and given tokens, and with increments that it had not told."""
    whole, cut = base / f"{engine}-{kind}-full", base / f"{engine}-{kind}-cut"
    for part in ("model", "ema", "state"):
        first, second = weights(whole, part), weights(cut, part)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
    for name in profiles(whole):
        assert (whole / name).read_bytes() == (cut / name).read_bytes()
    assert torch.equal(losses(whole), losses(cut))
