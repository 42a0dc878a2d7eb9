"""Presets: what is published under their names, and that an option may change a part of one."""

import json
from pathlib import Path
from typing import Any

from infonoise_text.presets import TRAIN_PRESETS

from .command_line import QUICK, run


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
        assert (train.options.objective.length, train.options.objective.network) == (
            length,
            network,
        )
        assert train.options.corpus.tokenizer == tokenizer
        assert (train.train.steps, train.train.batch_size, train.train.lr) == (1_000_000, 512, 3e-4)
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
