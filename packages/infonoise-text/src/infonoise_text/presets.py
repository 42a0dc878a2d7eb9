"""Settings of published models and for small machines, of `prepare` and `train`.

CoBit: Batzolis, Girolami & Ambrogioni 2026 (arXiv 2605.07013). As there: sizes, windows, tokens,
optimizer, averages, and draws by the square root of the rate. Different here: their gate, for which
discrete data have no need, because the rate cannot exceed that of bits alone, and the noise
distribution of the warm-up.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from infonoise_core.app.interface import commands
from infonoise_core.config.presets import Presets
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_text.data.options import EMBEDDED, CorpusOptions
from infonoise_text.data.published import PUBLISHED
from infonoise_text.interface import INTERFACE
from infonoise_text.methods.options import Objective, TextOptions
from infonoise_text.tokenizers.characters import CHARACTERS

# Only the user can say where a run goes, and where the prepared corpora lie.
_OUT: Path = tyro.MISSING
_DATA: str = tyro.MISSING


def laptop() -> Any:
    """Two cores, about an hour: the small network on windows of 128 tokens."""
    return _train(
        data=EMBEDDED,
        options=TextOptions(objective=Objective(length=128, network="small")),
        train=TrainConfig(steps=3500, batch_size=32, lr_schedule="cosine"),
    )


def characters() -> Any:
    """Characters on a laptop: 4 layers of width 128, windows of 64, minutes on two cores."""
    corpus, objective = CorpusOptions(tokenizer=CHARACTERS), Objective(length=64, network="small")
    # The size and budget of a well-known small autoregressive model, 0.8 million parameters.
    few = TrainConfig(steps=2000, batch_size=12, lr=1e-3, lr_warmup=100, lr_schedule="cosine")
    return _train(data=_DATA, options=TextOptions(corpus=corpus, objective=objective), train=few)


def _cobit(
    about: str, network: str, length: int, corpus: str, steps: int = 1_000_000
) -> Callable[[], Any]:
    options = TextOptions(
        corpus=PUBLISHED[corpus].options, objective=Objective(length=length, network=network)
    )
    train = TrainConfig(
        steps=steps, batch_size=512, lr=3e-4, lr_warmup=2500, lr_schedule="cosine",
        weight_decay=0.01, ema_decay=0.9999, eval_every=10_000, save_every=10_000,
    )  # fmt: skip

    def preset() -> Any:
        return _train(
            data=_DATA, schedule="infonoise-sqrt", engine=EngineConfig(precision="bf16"),
            options=options, train=train,
        )  # fmt: skip

    preset.__doc__ = about
    return preset


def _train(**settings: Any) -> Any:
    """The options of `train`."""
    kind: Any = commands(INTERFACE)["train"][0]
    return kind(out=_OUT, **settings)


def _prepare(name: str) -> Callable[[], Any]:
    corpus = PUBLISHED[name]

    def preset() -> Any:
        kind: Any = commands(INTERFACE)["prepare"][0]
        # Published networks take binary codes.
        return kind(out=_OUT, corpus=(corpus.source,), semantic=False, options=corpus.options)

    preset.__doc__ = corpus.about
    return preset


_S, _SAME = "133.5 million parameters", "The same network"
TRAIN_PRESETS: Presets = {
    "laptop": laptop,
    "characters": characters,
    "cobit-s-lm1b": _cobit(f"{_S}, windows of 128 tokens of 15 bits.", "cobit-s", 128, "lm1b"),
    "cobit-s-owt": _cobit(f"{_SAME}, windows of 1024 codes of 16 bits.", "cobit-s", 1024, "owt"),
    "cobit-m-owt": _cobit("462 million parameters, windows alike.", "cobit-m", 1024, "owt"),
    "cobit-s-wikitext103": _cobit(
        f"{_S}; fewer steps, as this corpus is smaller.", "cobit-s", 1024, "wikitext103", 50_000
    ),
    "cobit-s-text8": _cobit(f"{_SAME}, windows of 256 characters.", "cobit-s", 256, "text8"),
}
PREPARE_PRESETS: Presets = {name: _prepare(name) for name in PUBLISHED}
