"""A model from elsewhere whose settings ask for far more than its weights is refused at once.

Its settings are signed anew, as whoever made it up would do; nothing is allocated for them.
"""

import json
import random
import shutil
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_core.errors import InputError
from infonoise_core.reading import sha256_of
from infonoise_core.training.allocation import within

TRAIN = ("--batch-size", "4", "--steps", "2", "--device", "cpu", "--schedule", "edm")
WORDS = "far larger than its weights"


def _main(domain: str) -> Callable[[list[str]], int]:
    main: Callable[[list[str]], int] = import_module(f"infonoise_{domain}.cli").main
    return main


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The model of a short run in a domain, pushed to a folder; made once."""
    base, made = tmp_path_factory.mktemp("models"), dict[str, Path]()

    def model(domain: str) -> Path:
        if domain not in made:
            data, options = _data(domain, base)
            words = ["train", data, "--out", str(base / domain), *options, *TRAIN]
            assert _main(domain)(words) == 0
            made[domain] = base / f"{domain}-model"
            assert _main(domain)(["push", str(base / domain), str(made[domain])]) == 0
        return made[domain]

    return model


def _data(domain: str, base: Path) -> tuple[str, list[str]]:
    rng = random.Random(0)
    if domain == "bio":
        table = base / "sequences.csv"
        rows = [f"s{i},{''.join(rng.choices('ACGT', k=24))}" for i in range(120)]
        table.write_text("\n".join(["id,sequence", *rows]) + "\n")
        return str(table), ["--strand", "forward"]
    if domain == "vision":
        return "digits", ["--size", "8"]
    path = base / "lines.jsonl"
    words = ["red", "green", "blue", "house", "tree", "river", "walks", "sings", "the", "a"]
    texts = [" ".join(rng.choices(words, k=40)) for _ in range(60)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path), ["--vocab-size", "285", "--length", "16"]


def _enlarged(model: Path, copy: Path, key: str, value: object) -> None:
    """A copy of a model with another setting, signed anew."""
    shutil.copytree(model, copy)
    settings: dict[str, Any] = json.loads((copy / "config.json").read_text())
    *parents, last = key.split(".")
    inner = settings
    for name in parents:
        inner = inner[name]
    assert last in inner
    inner[last] = value
    (copy / "config.json").write_text(json.dumps(settings))
    card = json.loads((copy / "card.json").read_text())
    card["files"]["config.json"] = sha256_of(copy / "config.json")
    (copy / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("domain", "key", "value", "words"),
    [
        ("bio", "model.length", 10**7, WORDS),
        ("bio", "model.network.width", 10**6, WORDS),
        ("bio", "model.network.kernel", 10**8 + 1, WORDS),
        ("vision", "images.shape", [10**7, 8, 8], WORDS),
        ("text", "objective.length", 10**7, "give at most 131072 tokens"),
    ],
)
@pytest.mark.parametrize("verb", ["pull", "sample"])
def test_settings_that_ask_for_more_than_the_weights(
    models: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    domain: str, key: str, value: object, words: str, verb: str,
) -> None:  # fmt: skip
    _enlarged(models(domain), tmp_path / "model", key, value)
    capsys.readouterr()
    tracemalloc.start()
    command = [verb, str(tmp_path / "model"), "--out", str(tmp_path / "out")]
    code = _main(domain)(command)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    err = capsys.readouterr().err
    assert code == 2
    assert [words in line for line in err.splitlines() if line.startswith("error: ")] == [True]
    assert peak < 64 << 20  # of Python's; what torch would allocate is refused by its size
    assert not (tmp_path / "out").exists()


def test_what_is_refused_is_not_allocated(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(bytes(100))
    with pytest.raises(InputError, match=WORDS), within(weights, tmp_path):
        torch.empty(1 << 50)
    with within(weights, tmp_path):
        assert torch.zeros(1 << 20).shape == (1 << 20,)
    with within(tmp_path / "none", tmp_path):
        torch.zeros(1 << 20)
