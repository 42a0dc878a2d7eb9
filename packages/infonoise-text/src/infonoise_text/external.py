"""Judges that need a library of their own: a causal language model, and MAUVE."""

import math
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_text.extras import require
from infonoise_text.generated import TextMeasure

# Texts a language model reads at a time.
_CHUNK = 8


def language_model(source: str, device: str = "cpu") -> TextMeasure:
    """The generative perplexity by a causal language model: exp of the mean cost of its own tokens,
    each given those before it in the text.

    source: folder of a Hugging Face causal model with its tokenizer, or a name on the hub.
    """
    library = require("transformers", "lm", f"--lm {source}: a causal language model")
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(source)
        model = library.AutoModelForCausalLM.from_pretrained(source).to(device).eval()
    except Exception as error:  # the library raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"--lm {source}: cannot be opened ({reason})") from error

    def perplexity(texts: list[str]) -> float:
        nats, tokens = 0.0, 0
        for start in range(0, len(texts), _CHUNK):
            for text in texts[start : start + _CHUNK]:
                ids = tokenizer(text, return_tensors="pt").input_ids.to(device)
                cost, count = _cost(model, ids)
                nats, tokens = nats + cost, tokens + count
        if not tokens:
            raise InputError(f"--lm {source}: no text of two tokens to read; generate longer ones")
        return math.exp(nats / tokens)

    return perplexity


def _cost(model: Any, ids: Any) -> tuple[float, int]:
    """Nats of all tokens but the first, and how many those are."""
    import torch

    if ids.shape[1] < 2:
        return 0.0, 0
    with torch.no_grad():
        logits = model(ids).logits[0, :-1].to(torch.float32)
    nats = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
    return float(nats), ids.shape[1] - 1


def mauve(real: list[str], source: str) -> TextMeasure:
    """MAUVE (Pillutla et al. 2021) between texts and `real` ones, by the features of a causal
    language model: 1 for the same law, towards 0 for another.
    """
    library = require("mauve", "mauve", "--mauve")
    if not Path(source).is_dir():
        raise InputError(f"--lm {source}: MAUVE needs the folder of a causal language model")

    def score(texts: list[str]) -> float:
        found = library.compute_mauve(
            p_text=real, q_text=texts, featurize_model_name=source, verbose=False
        )
        return float(found.mauve)

    return score
