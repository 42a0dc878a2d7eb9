"""What is measured of generated text: closed forms, and extras that say what they need."""

import math
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_text.evaluation.external import language_model, mauve
from infonoise_text.evaluation.ngram import NGram
from infonoise_text.evaluation.quality import Judge, texts_of
from infonoise_text.sampling.text import Generated
from infonoise_text.tokenizers.sentencepiece import SentencePiece


def test_a_judge_measures_perplexity_beside_entropy(tokenizer: SentencePiece) -> None:
    """Of text that repeats one token: the perplexity is low, and the entropy gives it away."""
    train = torch.tensor([5, 6, 7, 8] * 200)
    model = NGram(train.numpy(), tokenizer.size, 2)
    judge = Judge(tokenizer, model, {"letters": lambda texts: float(sum(map(len, texts)))})
    same = Generated(torch.full((3, 8), 5), torch.zeros(3, 8, dtype=torch.bool), 9)
    found = judge(same)
    assert found.entropy == 0
    assert found.distinct == (1 / 24, 1 / 21, 1 / 18)
    assert (found.invalid, found.nfe) == (0.0, 9)
    assert found.perplexity == pytest.approx(model.perplexity(same.ids.numpy()))
    assert found.others == {"letters": float(sum(map(len, texts_of(tokenizer, same.ids))))}
    held_out = judge.data(train[:24].reshape(3, 8))
    assert held_out.entropy == pytest.approx(math.log(4))
    assert held_out.nfe == 0


def test_codes_without_a_token_are_counted(tokenizer: SentencePiece) -> None:
    invalid = torch.zeros(2, 4, dtype=torch.bool)
    invalid[0, 1] = True
    judge = Judge(tokenizer, NGram(torch.arange(8).numpy(), tokenizer.size, 1))
    assert judge(Generated(torch.ones(2, 4).long(), invalid, 1)).invalid == 1 / 8


class Uniform:
    """A causal model for which all 10 tokens are equally likely; it reads any length."""

    config = SimpleNamespace()

    def to(self, device: str) -> "Uniform":
        return self

    def eval(self) -> "Uniform":
        return self

    def __call__(self, ids: Tensor) -> Any:
        return SimpleNamespace(logits=torch.zeros(*ids.shape, 10))


def test_a_language_model_that_knows_nothing_has_its_vocabulary_as_perplexity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tokens(text: str, return_tensors: str, verbose: bool) -> Any:
        ids = torch.tensor([[ord(c) % 10 for c in text]], dtype=torch.long)
        return SimpleNamespace(input_ids=ids)

    library = SimpleNamespace(
        AutoTokenizer=SimpleNamespace(from_pretrained=lambda source, **_: tokens),
        AutoModelForCausalLM=SimpleNamespace(from_pretrained=lambda source, **_: Uniform()),
    )
    monkeypatch.setitem(sys.modules, "transformers", library)  # type: ignore[arg-type]
    measure = language_model("some/folder")
    assert measure(["abcdef", "xyz", "q"]) == pytest.approx(10)
    with pytest.raises(InputError, match="no text of two tokens"):
        measure(["q"])


def test_what_is_not_installed_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "mauve", None)
    with pytest.raises(InputError, match=r"pip install 'infonoise-text\[lm\]'"):
        language_model("gpt2-large")
    with pytest.raises(InputError, match=r"pip install 'infonoise-text\[mauve\]'"):
        mauve(["a"], "folder")
