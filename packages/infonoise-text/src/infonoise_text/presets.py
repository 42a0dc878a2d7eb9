"""Settings of published models and for small machines, as whole configurations of `train`.

CoBit: Batzolis, Girolami & Ambrogioni 2026 (arXiv 2605.07013). As there: sizes, windows, tokens,
optimizer, averages, and draws by the square root of the rate. Different here: their gate, for which
discrete data have no need, because the rate cannot exceed that of bits alone, and the noise
distribution of the warm-up. The corpora are the user's to give.
"""

from pathlib import Path
from typing import Any

import tyro

from infonoise_core.app.interface import commands
from infonoise_core.config.presets import Presets
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_text.data.options import EMBEDDED, CorpusOptions
from infonoise_text.interface import INTERFACE
from infonoise_text.methods.options import Objective, TextOptions

# Only the user can say where a run goes, and where the published corpora lie.
_OUT: Path = tyro.MISSING
_DATA: str = tyro.MISSING


def laptop() -> Any:
    """Two cores, about an hour: the small network on windows of 128 tokens."""
    return _train(
        data=EMBEDDED,
        options=TextOptions(objective=Objective(length=128, network="small")),
        train=TrainConfig(steps=8000, batch_size=32, lr_schedule="cosine"),
    )


def cobit_s_lm1b() -> Any:
    """133.5 million parameters, windows of 128 tokens of 15 bits."""
    return _cobit("cobit-s", 128, CorpusOptions(tokenizer="bert-base-uncased"))


def cobit_s_owt() -> Any:
    """The same network, windows of 1024 codes of 16 bits that all have a meaning."""
    return _cobit("cobit-s", 1024, CorpusOptions(tokenizer="gpt2", pair_bits=16))


def cobit_m_owt() -> Any:
    """462 million parameters, windows of 1024 codes of 16 bits that all have a meaning."""
    return _cobit("cobit-m", 1024, CorpusOptions(tokenizer="gpt2", pair_bits=16))


def _cobit(network: str, length: int, corpus: CorpusOptions) -> Any:
    return _train(
        data=_DATA,
        schedule="infonoise-sqrt",
        engine=EngineConfig(precision="bf16"),
        options=TextOptions(corpus=corpus, objective=Objective(length=length, network=network)),
        train=TrainConfig(
            steps=1_000_000,
            batch_size=512,
            lr=3e-4,
            lr_warmup=2500,
            lr_schedule="cosine",
            weight_decay=0.01,
            ema_decay=0.9999,
            eval_every=10_000,
            save_every=10_000,
        ),
    )


def _train(**settings: Any) -> Any:
    """The options of `train`."""
    kind: Any = commands(INTERFACE)["train"][0]
    return kind(out=_OUT, **settings)


TRAIN_PRESETS: Presets = {
    "laptop": laptop,
    "cobit-s-lm1b": cobit_s_lm1b,
    "cobit-s-owt": cobit_s_owt,
    "cobit-m-owt": cobit_m_owt,
}
