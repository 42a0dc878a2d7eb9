"""Generated tokens as text, and what is measured of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from infonoise_text.evaluation.diversity import distinct, distinct_of, unigram_entropy
from infonoise_text.evaluation.ngram import NGram
from infonoise_text.sampling.text import Generated
from infonoise_text.tokenizers.base import Tokenizer

# Texts -> a number: a language model's perplexity, MAUVE.
TextMeasure = Callable[[list[str]], float]


def texts_of(tokenizer: Tokenizer, ids: Tensor) -> list[str]:
    """(n, L) ids -> the n texts."""
    return [tokenizer.decode(row) for row in ids.tolist()]


@dataclass(frozen=True)
class Quality:
    """Of windows of text.

    Attributes:
        perplexity: Of an n-gram model of the training split.
        entropy: Of the tokens of one window, nats; beside the perplexity always, for that falls
            where text repeats itself.
        distinct: Share of different n-grams for n = 1, 2, 3.
        invalid: Share of codes that belong to no token.  nfe: network evaluations for each
            window.
        others: What needs a library of its own.
    """

    perplexity: float
    entropy: float
    distinct: tuple[float, ...]
    invalid: float
    nfe: int
    others: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """The measures by name."""
        return asdict(self)


class Judge:
    """Measures windows of text.

    Args:
        model: Of the training split.
        measures: Name -> of texts.
        end: The token behind which a window is read no further, if it is not read to its end.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        model: NGram,
        measures: dict[str, TextMeasure] | None = None,
        end: int | None = None,
    ) -> None:
        self._tokenizer, self.model, self.measures = tokenizer, model, measures or {}
        self._end = end

    @property
    def others(self) -> Sequence[str]:
        """Names of the measures of texts."""
        return list(self.measures)

    def __call__(self, found: Generated) -> Quality:
        """Codes without a token are the unknown one, as a reader would meet it."""
        orders = range(1, min(3, found.ids.shape[1]) + 1)
        texts = texts_of(self._tokenizer, found.ids) if self.measures else []
        if self._end is not None:
            return self._to_the_end(found, texts, self._end)
        return Quality(
            perplexity=self.model.perplexity(found.ids.numpy()),
            entropy=unigram_entropy(found.ids),
            distinct=tuple(distinct(found.ids, n) for n in orders),
            invalid=float(found.invalid.to(torch.float64).mean()),
            nfe=found.nfe,
            others={name: measure(texts) for name, measure in self.measures.items()},
        )

    def _to_the_end(self, found: Generated, texts: list[str], end: int) -> Quality:
        """The same of windows of which each is read up to its first end."""
        ended = torch.eq(found.ids, end)
        read = ended.cumsum(1) - ended.long() == 0
        nats = torch.from_numpy(self.model.nats(found.ids.numpy()))[read]
        rows = [ids[mask] for ids, mask in zip(found.ids, read, strict=True)]
        longest = max(map(len, rows))
        return Quality(
            perplexity=math.exp(float(nats.mean())),
            entropy=sum(unigram_entropy(row[None]) for row in rows) / len(rows),
            distinct=tuple(distinct_of(rows, n) for n in range(1, min(3, longest) + 1)),
            invalid=float(found.invalid[read].to(torch.float64).mean()),
            nfe=found.nfe,
            others={name: measure(texts) for name, measure in self.measures.items()},
        )

    def data(self, ids: Tensor) -> Quality:
        """Of held-out windows, ids (n, L): what a perfect model would be given."""
        return self(Generated(ids, torch.zeros_like(ids, dtype=torch.bool), 0))
