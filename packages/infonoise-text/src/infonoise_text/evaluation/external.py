"""Judges that need a library of their own: a causal language model, and MAUVE."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_text.evaluation.quality import TextMeasure

# Tokens of a text that MAUVE's authors look at.
_MAUVE_LENGTH = 1024
_ENDLESS = 2**62


def language_model(source: str, device: str = "cpu") -> TextMeasure:
    """The generative perplexity by a causal language model.

    It is exp of the mean cost of the model's own tokens, each given those before it in the text.

    Args:
        source: Folder of a Hugging Face causal model with its tokenizer, or a name on the hub.
    """
    library = require(
        "transformers", "infonoise-text[lm]", f"--lm {source}: a causal language model"
    )
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model = library.AutoModelForCausalLM.from_pretrained(
            source, use_safetensors=True, trust_remote_code=False
        )
        model = model.to(device).eval()
    except Exception as error:  # the library raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"--lm {source}: cannot be opened ({reason})") from error

    window = _window(model.config)

    def perplexity(texts: list[str]) -> float:
        nats, tokens = 0.0, 0
        for text in texts:
            # It is cut here, and need not be warned of.
            ids = tokenizer(text, return_tensors="pt", verbose=False).input_ids.to(device)
            cost, count = _cost(model, ids, window)
            nats, tokens = nats + cost, tokens + count
        if not tokens:
            raise InputError(f"--lm {source}: no text of two tokens to read; generate longer ones")
        return math.exp(nats / tokens)

    return perplexity


def _window(config: Any) -> int:
    """Tokens that a model reads at a time; models without positions say nothing."""
    return int(getattr(config, "max_position_embeddings", None) or _ENDLESS)


def _cost(model: Any, ids: Tensor, window: int) -> tuple[float, int]:
    """Nats of all tokens of (1, n) but the first, and how many those are.

    A text longer than the window is read in windows that overlap by half, and each token costs what
    it does behind as many as that at least.
    """
    length, done, nats = ids.shape[1], 1, 0.0
    while done < length:
        start = max(0, done - window // 2) if length > window else 0
        part = ids[:, start : start + window]
        with torch.no_grad():
            logits = model(part).logits[0, done - start - 1 : -1].to(torch.float32)
        nats += float(functional.cross_entropy(logits, part[0, done - start :], reduction="sum"))
        done = start + part.shape[1]
    return nats, done - 1


def mauve(real: list[str], source: str) -> TextMeasure:
    """MAUVE (Pillutla et al. 2021) between texts and `real` ones.

    It compares the features of a causal language model: 1 for the same distribution, towards 0 for
    another. Of a text longer than the model reads, its beginning counts.
    """
    library = require("mauve", "infonoise-text[mauve]", "--mauve")
    if not Path(source).is_dir():
        raise InputError(f"--lm {source}: MAUVE needs the folder of a causal language model")
    # It loads whatever weights lie there, and pickles among them could run code.
    if not any(Path(source).glob("*.safetensors")) or any(Path(source).glob("*.bin")):
        raise InputError(f"--lm {source}: MAUVE needs weights in safetensors, and no .bin beside")
    config = require("transformers", "infonoise-text[mauve]", "--mauve").AutoConfig.from_pretrained(
        source
    )

    def score(texts: list[str]) -> float:
        found = library.compute_mauve(
            p_text=real, q_text=texts, featurize_model_name=source, verbose=False,
            max_text_length=min(_MAUVE_LENGTH, _window(config)),
        )  # fmt: skip
        return float(found.mauve)

    return score
