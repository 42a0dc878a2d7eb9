"""Other models on the same trunk: exact where the law is known, and drawn from as it says."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.sampling.grids import log_uniform_grid
from infonoise_core.schedules.fixed import LogUniform
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_text.codes.book import binary_codes
from infonoise_text.data.corpus import Split, SplitCounts
from infonoise_text.data.windows import Examples
from infonoise_text.methods import autoregressive, masked
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.embedding import (
    SIGMA_LAST,
    EmbeddingDenoiser,
    EmbeddingEvaluation,
    EmbeddingTask,
)
from infonoise_text.methods.embedding import sample as embedding_sample
from infonoise_text.methods.options import Objective, TextOptions
from infonoise_text.methods.registry import METHODS, make_method
from infonoise_text.methods.tokens import TokenEvaluation, TokenMeasure, TokenTask
from infonoise_text.models.config import TrunkConfig
from infonoise_text.sampling.options import TextSampler

from ..markov import MarkovSource

L, V = 6, 4
SIZES = TrunkConfig(width=32, blocks=2, heads=2)
CHAIN = MarkovSource(torch.full((V, V), 0.025) + 0.9 * torch.eye(V).roll(1, 1))
KARRAS = TextSampler(steps=L, grid="karras", solver="euler")
LAW = torch.tensor([0.5, 0.25, 0.2, 0.05])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def split_of(ids: Tensor, name: str = "train") -> Split:
    flat = ids.flatten().numpy().astype(np.uint16)
    return Split(name, flat, SplitCounts(1, len(flat), len(flat), ""))


def independent(n: int, length: int = L, seed: int = 0) -> Tensor:
    return torch.multinomial(LAW, n * length, True, generator=rng(seed)).reshape(n, length)


class KnowsTheLaw(nn.Module):
    """Gives the log-probabilities of independent tokens, whatever it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.law = nn.Parameter(LAW.log(), requires_grad=False)

    def forward(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
        return self.law.expand(*ids.shape, V)


class KnowsTheChain(nn.Module):
    """The exact law of every token of a window of CHAIN given those that are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(()))

    def forward(self, ids: Tensor, hidden: Tensor) -> Tensor:
        shown = torch.where(
            hidden[..., None],
            torch.ones(()).double(),
            nn.functional.one_hot(ids, V).double(),
        )
        step = CHAIN.transition
        forward, backward = [CHAIN.stationary.expand(len(ids), V)], [torch.ones(len(ids), V)]
        for i in range(1, L):
            forward.append((forward[-1] * shown[:, i - 1]) @ step)
            backward.append((backward[-1].double() * shown[:, L - i]) @ step.T)
        both = torch.stack(forward, 1) * torch.stack([b.double() for b in backward[::-1]], 1)
        return (both / both.sum(-1, keepdim=True)).log()


def fresh(method: str) -> tuple[nn.Module, TokenMeasure]:
    """A small network, and how its text is measured."""
    kinds = {"autoregressive": autoregressive.Autoregressive, "masked": masked.Masked}
    measures = {"autoregressive": autoregressive.MEASURE, "masked": masked.MEASURE}
    torch.manual_seed(0)
    return kinds[method](V, SIZES), measures[method]


def fit(method: str, ids: Tensor, path: Path, updates: int) -> nn.Module:
    network, measure = fresh(method)
    task = TokenTask(split_of(ids), network, L, measure.training, stride=L)
    config = TrainConfig(
        steps=updates, batch_size=64, lr=5e-3, lr_warmup=10, lr_schedule="cosine", eval_every=0,
        save_every=updates,
    )  # fmt: skip
    schedule = LogUniform(VarianceExploding(0.01, 10.0))
    return train(task, schedule, config, path, engine=TorchEngine("cpu")).denoiser


def bits(measure: TokenMeasure, network: nn.Module, ids: Tensor) -> tuple[float, float]:
    found = TokenEvaluation(split_of(ids, "valid"), L, measure, windows=len(ids)).bound(network)
    return found.nats, found.stderr


# Likelihoods


def test_an_autoregressive_model_reaches_the_entropy_of_a_chain_and_not_less(
    tmp_path: Path,
) -> None:
    """Within 3 % and the noise of the held-out windows, whose own cost is known exactly."""
    network = fit("autoregressive", CHAIN.sample(3000, L, rng()), tmp_path, 150)
    ids = CHAIN.sample(400, L, rng(1))
    nats, stderr = bits(autoregressive.MEASURE, network, ids)
    truth = CHAIN.entropy(L) / L
    assert nats > truth - 4 * stderr
    assert nats < 1.03 * truth + 4 * stderr


def test_the_autoregressive_likelihood_is_a_law(tmp_path: Path) -> None:
    """The probabilities of all 4^3 windows of three tokens sum to 1."""
    network = autoregressive.Autoregressive(V, SIZES)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4, generator=rng())
    windows = torch.cartesian_prod(*[torch.arange(V)] * 3)
    total = (-autoregressive.cost(network.eval(), Examples(windows)).double()).exp().sum()
    assert float(total.detach()) == pytest.approx(1, abs=1e-5)


def test_the_masked_bound_of_independent_tokens_is_their_entropy() -> None:
    """In every draw, where the network knows the law: nothing is lost by the order."""
    ids = independent(500)
    found, stderr = bits(masked.MEASURE, KnowsTheLaw(), ids)
    share = torch.bincount(ids.flatten(), minlength=V) / ids.numel()
    here = -float((share * LAW.log()).sum())
    # Which tokens are hidden is chance; the windows' own frequencies are in `here`.
    assert abs(found - here) < 4 * stderr
    assert stderr < 0.05


def test_the_masked_bound_of_a_chain_is_its_entropy_for_the_exact_network() -> None:
    ids = CHAIN.sample(500, L, rng(2))
    nats, stderr = bits(masked.MEASURE, KnowsTheChain(), ids)
    assert abs(nats - CHAIN.entropy(L) / L) < 4 * stderr


def test_a_trained_masked_model_stays_above_the_entropy(tmp_path: Path) -> None:
    """And below what tokens cost that know nothing of each other."""
    network = fit("masked", CHAIN.sample(3000, L, rng()), tmp_path, 150)
    nats, stderr = bits(masked.MEASURE, network, CHAIN.sample(400, L, rng(1)))
    assert nats > CHAIN.entropy(L) / L - 4 * stderr
    assert nats < 0.7 * math.log(V)


def test_the_masked_cost_hides_every_number_of_tokens_equally_often() -> None:
    counts: list[Tensor] = []

    class Spy(KnowsTheLaw):
        def forward(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
            assert hidden is not None
            counts.append(hidden.sum(1))
            return super().forward(ids)

    torch.manual_seed(0)
    masked.cost(Spy(), Examples(independent(60)), levels=4)
    found = torch.bincount(torch.cat(counts), minlength=L + 1)
    # Strata: each number takes 40 of 240 places but for what falls across two strata.
    assert found[0] == 0
    assert (found[1:] - 40).abs().max() <= 4


# Networks


@pytest.mark.parametrize("i", range(L))
def test_an_autoregressive_model_sees_nothing_of_what_it_is_asked(i: int) -> None:
    network = autoregressive.Autoregressive(V, SIZES).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4, generator=rng())
    ids = independent(8)
    other = ids.clone()
    other[:, i:] = (other[:, i:] + 1) % V
    same = network(ids)[:, : i + 1] - network(other)[:, : i + 1]
    assert float(same.detach().abs().max()) < 1e-5


def test_a_masked_model_sees_nothing_of_what_is_hidden() -> None:
    network = masked.Masked(V, SIZES).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4, generator=rng())
    ids, hidden = independent(8), torch.rand(8, L, generator=rng()) < 0.5
    other = torch.where(hidden, (ids + 1) % V, ids)
    assert torch.equal(network(ids, hidden), network(other, hidden))
    assert not torch.equal(network(ids, hidden), network(ids, ~hidden))


@pytest.mark.parametrize("method", ["autoregressive", "masked"])
def test_untrained_all_tokens_are_about_equally_likely(method: str) -> None:
    ids = independent(20)
    network, measure = fresh(method)
    nats, _ = bits(measure, network, ids)
    assert nats == pytest.approx(math.log(V), rel=0.1)


# Samples


@pytest.mark.parametrize("calls", [None, 1])
def test_first_hitting_gives_the_chain_where_tokens_come_one_by_one(calls: int | None) -> None:
    """Pairs within 5 standard errors; all at once, each as if alone, do not give it."""
    found = masked.sample(KnowsTheChain(), 500, L, calls)  # type: ignore[arg-type]
    assert found.nfe == (calls or L)
    pairs = V * found.ids[:, :-1] + found.ids[:, 1:]
    share = torch.bincount(pairs.flatten(), minlength=V * V).reshape(V, V) / pairs.numel()
    expected = CHAIN.stationary[:, None] * CHAIN.transition
    # Pairs of one window depend on each other; windows do not.
    error = (expected * (1 - expected) / 500).sqrt()
    apart = ((share - expected).abs() > 5 * error).any()
    assert bool(apart) == (calls is not None)


@pytest.mark.parametrize("name", METHODS)
def test_generated_windows_are_the_same_for_the_same_seed(name: str) -> None:
    tokenizer: Any = SimpleNamespace(size=V)
    method = make_method(
        TextOptions(name, objective=Objective(length=L)), Assets(tokenizer, binary_codes(V))
    )
    network, profiles = method.network(0), [None for _ in method.profile_files]
    found = [
        method.generate(network, 5, L, replace(KARRAS, seed=seed), profiles) for seed in (0, 0, 1)
    ]
    assert torch.equal(found[0].ids, found[1].ids)
    assert not torch.equal(found[0].ids, found[2].ids)
    assert found[0].ids.shape == (5, L)
    assert found[0].nfe == L


def test_more_calls_than_tokens_are_refused() -> None:
    with pytest.raises(InputError, match="--steps 7: give 1 to 6"):
        masked.sample(masked.Masked(V, SIZES), 2, L, 7)


# Embeddings


def knows_the_law() -> EmbeddingDenoiser:
    """Of independent tokens; with the evidence of single places that is the exact posterior."""
    denoiser = EmbeddingDenoiser(V, SIZES)
    nn.init.normal_(denoiser.embedding, generator=rng(4))
    with torch.no_grad():
        denoiser.out.bias.copy_(LAW.log())
    return denoiser.eval()


def test_the_bound_of_embeddings_is_the_entropy_of_independent_tokens() -> None:
    ids = independent(400)
    found = EmbeddingEvaluation(split_of(ids, "valid"), L, 80.0, windows=400).bound(knows_the_law())
    share = torch.bincount(ids.flatten(), minlength=V) / ids.numel()
    here = -float((share * LAW.log()).sum())
    assert abs(found.nats - here) < 4 * found.stderr
    assert found.stderr < 0.05


def test_generated_embeddings_follow_the_law() -> None:
    """Within 5 standard errors, and the 0.02 that steps of 64 levels leave."""
    sigmas = log_uniform_grid(64, SIGMA_LAST, 80.0)
    found = embedding_sample(knows_the_law(), 400, L, sigmas)
    share = torch.bincount(found.ids.flatten(), minlength=V) / found.ids.numel()
    error = (LAW * (1 - LAW) / found.ids.numel()).sqrt()
    assert ((share - LAW).abs() < 5 * error + 0.02).all()
    assert found.nfe == 64


def test_embeddings_are_trained_with_the_error_that_a_schedule_observes() -> None:
    denoiser = EmbeddingDenoiser(V, SIZES)
    task = EmbeddingTask(split_of(independent(20)), denoiser, L, stride=L)
    batch, sigma = task.batch(np.arange(8)), torch.full((8,), 3.0)
    eps = torch.randn(batch.x0.shape, generator=rng())
    losses = task.losses(denoiser, batch, sigma, eps)
    x0 = denoiser.table()[batch.condition["ids"]]
    error = (denoiser(x0 + 3 * eps, sigma) - x0).square().flatten(1).sum(1)
    torch.testing.assert_close(losses.squared_error, error.detach())
    losses.loss.mean().backward()
    assert denoiser.embedding.grad is not None
    assert float(denoiser.embedding.grad.abs().sum()) > 0
    torch.testing.assert_close(x0.square().sum(-1), torch.full((8, L), float(denoiser.channels)))
