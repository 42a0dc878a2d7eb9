"""Pairs in training and in the bound: the answer is what counts, and nothing of it leaks.

The oracles are laws of few windows that are all listed.
"""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.rng import Stream, generator
from infonoise_core.schedules.registry import ScheduleContext, make_schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_core.training.task import Batch
from infonoise_text.codes.book import binary_codes
from infonoise_text.data.corpus import Split, SplitCounts
from infonoise_text.data.pairs import Pairs
from infonoise_text.data.windows import Examples, PaddedWindows, held_out
from infonoise_text.evaluation.bound import LikelihoodBound, TextEvaluation
from infonoise_text.evaluation.control import token_counts
from infonoise_text.evaluation.ngram import NGram
from infonoise_text.evaluation.reference import token_reference
from infonoise_text.methods import autoregressive, masked
from infonoise_text.methods.options import Objective
from infonoise_text.methods.prior import bit_profile
from infonoise_text.methods.task import TextTask, weighting
from infonoise_text.methods.tokens import TokenEvaluation, TokenTask
from infonoise_text.models.config import TrunkConfig, TupleConfig
from infonoise_text.models.denoiser import make_denoiser

from ..listed import ListedDenoiser

# Tokens: 0 the end, 1 .. 4 words. The answer to word w is the next one with probability RIGHT, or
# else any other, and a quarter of the answers say it twice.
END, WORDS, L = 0, 4, 6
BOOK = binary_codes(8)
RIGHT, TWICE = 0.9, 0.25
SIZES = TrunkConfig(width=32, blocks=2, heads=2)


def law() -> tuple[Tensor, Tensor]:
    """All windows (32, L) and their probabilities; prompts are even."""
    rows, probs = [], []
    for ask, say, twice in itertools.product(range(WORDS), range(WORDS), (False, True)):
        answer = [say + 1] * (1 + twice)
        text = [ask + 1, END, *answer, END]
        rows.append(text + [END] * (L - len(text)))
        right = RIGHT if say == (ask + 1) % WORDS else (1 - RIGHT) / (WORDS - 1)
        probs.append(right * (TWICE if twice else 1 - TWICE) / WORDS)
    return torch.tensor(rows), torch.tensor(probs, dtype=torch.float64)


ROWS, PROBS = law()
# Nats of an answer behind its prompt, and of one without.
LENGTHS = -TWICE * math.log(TWICE) - (1 - TWICE) * math.log(1 - TWICE)
BEHIND = -RIGHT * math.log(RIGHT) - (1 - RIGHT) * math.log((1 - RIGHT) / (WORDS - 1)) + LENGTHS
ALONE = math.log(WORDS) + LENGTHS


def pairs_of(n: int, seed: int = 0, name: str = "train") -> Split:
    """n pairs by the law, stored as a corpus stores them."""
    rng = torch.Generator().manual_seed(seed)
    which = torch.multinomial(PROBS, n, True, generator=rng)
    answers = np.where(ROWS[which, 3].numpy() == END, 2, 3)
    ids = np.concatenate(
        [row[: 2 + k] for row, k in zip(ROWS[which].numpy(), answers, strict=True)]
    )
    lengths = np.stack([np.full(n, 2), answers, 5 * answers], 1).astype(np.uint32)
    counts = SplitCounts(n, len(ids), len(ids), "")
    return Split(name, ids.astype(np.uint16), counts, end=END, pairs=Pairs(lengths, 3))


def plain(**change: Any) -> Objective:
    return Objective(**{"length": L, "infill": 0.0, "self_cond": 0.0, "loss": "bce", **change})


def on_cpu(task: TextTask, n: int) -> Batch:
    return task.batch(np.arange(n)).to(torch.device("cpu"))


# The bound


def test_the_bound_of_an_exact_denoiser_is_the_entropy_of_answers_given_prompts() -> None:
    """And far below that of answers alone, which one pays that does not look at the prompt."""
    found = held_out(pairs_of(1200, name="valid"), L, 1200).examples
    exact = ListedDenoiser(ROWS, PROBS, BOOK)
    parts: dict[str, Any] = {"known": found.known, "units": torch.ones(len(found.ids))}
    behind = LikelihoodBound(found.ids, BOOK, 80.0, **parts)(exact)
    assert abs(behind.nats - BEHIND) < 4 * behind.stderr
    # Every prompt with every answer: what knows of the prompt nothing.
    alone = ListedDenoiser(ROWS, PROBS.reshape(WORDS, -1).sum(0).repeat(WORDS) / WORDS, BOOK)
    ignoring = LikelihoodBound(found.ids, BOOK, 80.0, **parts)(alone)
    assert abs(ignoring.nats - ALONE) < 4 * ignoring.stderr
    assert behind.nats + 4 * behind.stderr < ALONE - 4 * ignoring.stderr


def next_words(n: int, seed: int = 0, name: str = "train") -> Split:
    """Pairs whose answer is always the next word, once."""
    ask = np.random.default_rng(seed).integers(0, WORDS, n)
    ends = np.full(n, END)
    ids = np.stack([ask + 1, ends, (ask + 1) % WORDS + 1, ends], 1).astype(np.uint16).ravel()
    pairs = Pairs(np.tile(np.array([2, 2, 5], np.uint32), (n, 1)), 2)
    return Split(name, ids, SplitCounts(n, len(ids), len(ids), ""), end=END, pairs=pairs)


def test_a_few_updates_learn_what_prompts_say_of_their_answers(tmp_path: Path) -> None:
    """The answers follow from their prompts; alone they cost ln 4."""
    split, objective = next_words(2000), plain(length=4, loss="groups")
    sizes = replace(SIZES, tuples=True)
    network = make_denoiser(3, sizes, 0, TupleConfig(4, 2, 3))
    task, channel = TextTask(split, BOOK, network, objective), VarianceExploding(0.02, 80.0)
    symbols = bit_profile(split, BOOK, 4, channel)
    context = ScheduleContext(channel, weighting(objective), 60, task.dim, symbols)
    config = TrainConfig(
        steps=60, batch_size=64, lr=1e-2, lr_warmup=10, lr_schedule="cosine", eval_every=0
    )
    schedule = make_schedule("infonoise", context)
    trained = train(task, schedule, config, tmp_path, engine=TorchEngine("cpu")).denoiser
    found = held_out(next_words(200, 5, "valid"), 4, 200).examples
    assert found.known is not None
    bound = LikelihoodBound(
        found.ids, BOOK, 80.0, known=found.known, units=torch.ones(len(found.ids)),
        counts=token_counts(found.ids[~found.known].numpy(), BOOK.size),
    )(trained)  # fmt: skip
    assert -4 * bound.stderr < bound.nats < math.log(WORDS) / 2 - 4 * bound.stderr


def test_bits_per_byte_are_of_the_bytes_of_answers() -> None:
    """Each token of an answer counts for five bytes here, and each of a prompt for one."""
    evaluation = TextEvaluation(pairs_of(300, name="valid"), BOOK, L, 80.0, windows=100)
    found = evaluation(ListedDenoiser(ROWS, PROBS, BOOK))
    per_token = found["nats_per_token"] / math.log(2)
    assert found["bits_per_byte"] == pytest.approx(per_token / 5)


def test_what_fills_up_has_to_be_charged() -> None:
    """A text that says nothing but how long it is costs the entropy of its length.

    The ends behind it are in sight and tell of its end: without what they cost the exact denoiser
    would pay less than the entropy, which no bound may.
    """
    length = 8
    rows = torch.tensor([[1] * k + [END] * (length - k) for k in range(1, length)])
    probs = torch.full((len(rows),), 1 / len(rows), dtype=torch.float64)
    exact, entropy = ListedDenoiser(rows, probs, binary_codes(2)), math.log(len(rows))
    ids = rows.repeat(60, 1)
    text = torch.arange(length) <= (ids != END).sum(1)[:, None]
    bound = LikelihoodBound(ids, binary_codes(2), 80.0, units=torch.ones(len(ids)))(exact)
    assert abs(bound.nats - entropy) < 4 * bound.stderr
    logs, square = torch.linspace(math.log(0.05), math.log(80.0), 200).double(), 0.0
    x0 = binary_codes(2).encode(ids).double()
    for i, log in enumerate(logs[:-1]):
        sigma, rng = float((log + (logs[1] - logs[0]) / 2).exp()), generator(0, Stream.EVALUATE, i)
        x = x0 + sigma * torch.randn(x0.shape, generator=rng, dtype=torch.float64)
        error = (exact(x, torch.full((len(x),), sigma)) - x0).square()[..., 0] / sigma**2
        square += float((error * text).sum(1).mean() * (logs[1] - logs[0]))
    assert square < 0.9 * entropy


# Training


class Caught(nn.Module):
    """A denoiser whose answers are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = make_denoiser(3, SIZES, 0)
        with torch.no_grad():
            for parameter in self.inner.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
        self.said: list[Tensor] = []

    def forward(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        self.said.append(self.inner(x, sigma, **condition).detach())
        return self.said[-1]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_answer_reaches_the_network_through_its_noisy_bits_alone(share: float) -> None:
    """Two windows with the same prompt and the same noisy bits, but other answers, are one to it;
    first passes see no more. Another prompt is seen."""
    torch.manual_seed(0)
    network = Caught()
    task = TextTask(pairs_of(40), BOOK, network, plain(self_cond=share))
    task.windows = PaddedWindows(pairs_of(40), L)
    batch = on_cpu(task, 8)
    sigma, eps = torch.full((8,), 0.7), torch.randn(batch.x0.shape)
    known = batch.condition["known"]

    def answers(x0: Tensor) -> list[Tensor]:
        network.said.clear()
        torch.manual_seed(3)
        moved = eps + (batch.x0 - x0) / 0.7  # so that x is the same
        task.losses(network, Batch(x0, batch.condition), sigma, moved)
        return list(network.said)

    other = torch.where(known[..., None], batch.x0, 1 - batch.x0)
    same = zip(answers(batch.x0), answers(other), strict=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in same)
    asked = torch.where(known[..., None], 1 - batch.x0, batch.x0)
    assert not torch.allclose(answers(batch.x0)[-1], answers(asked)[-1], atol=1e-2)


def test_prompts_are_given_and_count_in_no_loss() -> None:
    """The squared error, which the profile is measured from, is that of what is not given."""
    task = TextTask(pairs_of(40), BOOK, make_denoiser(3, SIZES, 0), plain(loss="edm"))
    batch = on_cpu(task, 16)
    known = batch.condition["known"]
    assert known.sum(1).tolist() == [2] * 16
    sigma, eps = torch.full((16,), 0.5), torch.randn(batch.x0.shape)
    found = task.losses(task.denoiser, batch, sigma, eps)
    x = batch.x0 + 0.5 * eps
    with torch.no_grad():
        guess = task.denoiser(x, sigma, known=known, clean=batch.x0)
    error = (guess - batch.x0).square().sum(-1)
    assert float(error[known].abs().max()) == 0
    assert found.squared_error is not None
    torch.testing.assert_close(found.squared_error, error.sum(1))
    # A mean over the bits that are not given.
    expected = weighting(task.objective)(sigma) * error.sum(1) / ((L - 2) * 3)
    torch.testing.assert_close(found.loss, expected)


def test_parts_of_answers_are_given_beside_prompts() -> None:
    task = TextTask(pairs_of(200), BOOK, make_denoiser(3, SIZES, 0), plain(infill=0.5))
    asked: list[Tensor] = []

    def spy(x: Tensor, sigma: Tensor, known: Tensor, **condition: Any) -> Tensor:
        asked.append(known)
        return torch.zeros_like(x)

    batch = on_cpu(task, 200)
    task.losses(spy, batch, torch.ones(200), torch.zeros_like(batch.x0))
    prompts = batch.condition["known"]
    assert bool((asked[0] | ~prompts).all())
    more = (asked[0] & ~prompts).any(1).double().mean()
    assert 0.2 < float(more) < 0.6


# Other models


class Listed(nn.Module):
    """Logits (n, L, V) of each token given those before it, or those that are not hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(()))

    def forward(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
        if hidden is not None:
            return self._logits(ids, hidden)
        at = torch.arange(L)
        columns = [self._logits(ids, (at >= i).expand(ids.shape))[:, i] for i in range(L)]
        return torch.stack(columns, 1)

    def _logits(self, ids: Tensor, hidden: Tensor) -> Tensor:
        fits = ((ids[:, None] == ROWS) | hidden[:, None]).all(2) * PROBS
        probs = torch.zeros(len(ids), L, 8, dtype=torch.float64)
        for token in range(8):
            probs[..., token] = torch.einsum("nr,rl->nl", fits, (token == ROWS).double())
        return probs.clamp_min(1e-30).log()


@pytest.mark.parametrize("measure", [autoregressive.MEASURE, masked.MEASURE])
def test_exact_models_of_tokens_pay_for_answers_behind_their_prompts(measure: Any) -> None:
    split = pairs_of(400, name="valid")
    evaluation = TokenEvaluation(split, L, measure, windows=400)
    found = evaluation.bound(Listed())
    tokens = float(held_out(split, L, 400).examples.units.double().mean())
    assert abs(found.nats * tokens - BEHIND) < 4 * found.stderr * tokens


def test_from_left_to_right_what_fills_up_costs_nothing_and_changes_nothing() -> None:
    network = autoregressive.Autoregressive(8, SIZES).eval()
    found = held_out(pairs_of(20, name="valid"), L, 20).examples
    assert found.padding is not None
    other = found._replace(ids=torch.where(found.padding, 7, found.ids))
    costs = [autoregressive.cost(network, windows) for windows in (found, other)]
    torch.testing.assert_close(*costs)


def test_masked_tokens_of_prompts_are_never_hidden() -> None:
    shown: list[tuple[Tensor, Tensor]] = []

    class Spy(nn.Module):
        def forward(self, ids: Tensor, hidden: Tensor) -> Tensor:
            shown.append((ids, hidden))
            return torch.zeros(*ids.shape, 8)

    split = pairs_of(50)
    task = TokenTask(split, Spy(), L, masked.MEASURE.training)
    batch = task.batch(np.arange(50))
    task.losses(task.denoiser, batch, torch.ones(50), torch.zeros(50, 0))
    ((_, hidden),) = shown
    assert not bool((hidden & batch.condition["known"]).any())
    assert bool(hidden.any(1).all())


def test_n_grams_read_the_prompt_and_pay_for_the_answer() -> None:
    split = pairs_of(300, name="valid")
    model = NGram(pairs_of(3000).ids, 8, 3)
    found = token_reference(split, model, 3, L, 300)
    windows = held_out(split, L, 300).examples
    nats = torch.from_numpy(model.nats(windows.ids.numpy(), 3))
    counted = torch.stack(list(windows.conditions.values())).any(0)
    expected = float(nats[~counted].sum() / (~counted).sum())
    assert found["nats_per_token"] == pytest.approx(expected)
    # A trigram sees the prompt's word behind its end, so answers cost less than alone.
    assert expected * float(windows.units.double().mean()) < ALONE - 0.3


def test_examples_count_what_is_neither_given_nor_filled_up() -> None:
    ids = torch.zeros(2, 4, dtype=torch.long)
    known = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0]], dtype=torch.bool)
    padding = torch.tensor([[0, 0, 0, 1], [0, 0, 0, 0]], dtype=torch.bool)
    found = Examples(ids, known, padding)
    assert found.units.tolist() == [2, 2]
    part = found.take(slice(1, 2))
    assert part.known is not None
    assert part.known.tolist() == [[True, True, False, False]]
