"""Settings of published models and for small machines, of `prepare` and `train`.

CoBit: Batzolis, Girolami & Ambrogioni 2026 (arXiv 2605.07013). As there: sizes, windows, tokens,
optimizer, averages, and draws by the square root of the rate. Different here: their gate, for which
discrete data have no need, because the rate cannot exceed that of bits alone, and the noise
distribution of the warm-up. `prepare` has the corpora.
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
from infonoise_text.tokenizers.characters import CHARACTERS

# Only the user can say where a run goes, and where the published corpora lie.
_OUT: Path = tyro.MISSING
_DATA: str = tyro.MISSING

_LM1B = CorpusOptions(tokenizer="bert-base-uncased", detokenize="lm1b")
_OWT = CorpusOptions(tokenizer="gpt2", pair_bits=16)
_WIKITEXT = CorpusOptions(tokenizer="gpt2", pair_bits=16, detokenize="wikitext")
_TEXT8 = CorpusOptions(tokenizer=CHARACTERS)


def laptop() -> Any:
    """Two cores, about an hour: the small network on windows of 128 tokens."""
    return _train(
        data=EMBEDDED,
        options=TextOptions(objective=Objective(length=128, network="small")),
        train=TrainConfig(steps=8000, batch_size=32, lr_schedule="cosine"),
    )


def characters() -> Any:
    """Characters on a laptop: 4 layers of width 128, windows of 64, minutes on two cores.

    The size and budget of a well-known small autoregressive model: 0.8 million parameters, 2,000
    steps of 12 windows.
    """
    return _train(
        data=_DATA,
        options=TextOptions(
            corpus=CorpusOptions(tokenizer=CHARACTERS),
            objective=Objective(length=64, network="small"),
        ),
        train=TrainConfig(
            steps=2000,
            batch_size=12,
            lr=1e-3,
            lr_warmup=100,
            lr_schedule="cosine",
            eval_every=250,
            save_every=250,
        ),
    )


def cobit_s_lm1b() -> Any:
    """133.5 million parameters, windows of 128 tokens of 15 bits."""
    return _cobit("cobit-s", 128, _LM1B)


def cobit_s_owt() -> Any:
    """The same network, windows of 1024 codes of 16 bits that all have a meaning."""
    return _cobit("cobit-s", 1024, _OWT)


def cobit_m_owt() -> Any:
    """462 million parameters, windows of 1024 codes of 16 bits that all have a meaning."""
    return _cobit("cobit-m", 1024, _OWT)


def cobit_s_wikitext103() -> Any:
    """The network and the windows of cobit-s-owt, fewer steps: WikiText-103 is far smaller."""
    return _cobit("cobit-s", 1024, _WIKITEXT, steps=50_000)


def cobit_s_text8() -> Any:
    """The same network on text8, windows of 256 characters, of which there are 27."""
    return _cobit("cobit-s", 256, _TEXT8)


def _cobit(network: str, length: int, corpus: CorpusOptions, steps: int = 1_000_000) -> Any:
    return _train(
        data=_DATA,
        schedule="infonoise-sqrt",
        engine=EngineConfig(precision="bf16"),
        options=TextOptions(corpus=corpus, objective=Objective(length=length, network=network)),
        train=TrainConfig(
            steps=steps,
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


def lm1b() -> Any:
    """The One Billion Word Benchmark: sentences in the words of BERT, which are lower case."""
    return _prepare("hf:billion-word-benchmark/lm1b", _LM1B)


def owt() -> Any:
    """OpenWebText in GPT-2's tokens and pairs of them, 2^16 codes."""
    return _prepare("hf:Skylion007/openwebtext", _OWT)


def wikitext103() -> Any:
    """Articles of WikiText-103 in GPT-2's tokens and pairs of them, 2^16 codes."""
    return _prepare("hf:Salesforce/wikitext,wikitext-103-raw-v1", _WIKITEXT)


def text8() -> Any:
    """The file text8 in this folder, by character, its last two twentieths held out."""
    return _prepare("text8", _TEXT8)


def _prepare(corpus: str, options: CorpusOptions) -> Any:
    """The options of `prepare`; published networks take binary codes."""
    kind: Any = commands(INTERFACE)["prepare"][0]
    return kind(out=_OUT, corpus=(corpus,), semantic=False, options=options)


def _train(**settings: Any) -> Any:
    """The options of `train`."""
    kind: Any = commands(INTERFACE)["train"][0]
    return kind(out=_OUT, **settings)


TRAIN_PRESETS: Presets = {
    "laptop": laptop,
    "characters": characters,
    "cobit-s-lm1b": cobit_s_lm1b,
    "cobit-s-owt": cobit_s_owt,
    "cobit-m-owt": cobit_m_owt,
    "cobit-s-wikitext103": cobit_s_wikitext103,
    "cobit-s-text8": cobit_s_text8,
}
PREPARE_PRESETS: Presets = {"lm1b": lm1b, "owt": owt, "wikitext103": wikitext103, "text8": text8}
