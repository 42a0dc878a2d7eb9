"""Designs of the baselines follow the law that the networks say, and what was asked for."""

import itertools

import numpy as np
import pytest
import torch

from infonoise_bio.alphabet import MASKED
from infonoise_bio.methods.autoregressive import autoregressive_nats, sample_left_to_right
from infonoise_bio.methods.given import GivenBases
from infonoise_bio.methods.masked import sample_masked
from infonoise_bio.methods.registry import BASELINES
from infonoise_bio.models.config import Conditions, ModelConfig
from infonoise_bio.models.encoding import make_encoding
from infonoise_bio.models.options import NetworkConfig
from infonoise_bio.sampling.sequences import Condition
from infonoise_core.errors import InputError

CONDITIONS = Conditions(("x", "y"), ("act",), (0.0,), (1.0,))
N = 4000


def model(kind: str, length: int = 3, network: str = "cnn", moved: float = 0.5) -> GivenBases:
    """A network whose bases hang together, after a push of all its weights."""
    sizes = NetworkConfig(kind=network, width=16, depth=2, heads=2)
    config = ModelConfig(length, sizes, CONDITIONS, (0.4, 0.1, 0.2, 0.3))
    made = BASELINES[kind].network(config, make_encoding("one-hot"), seed=0).eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(moved * torch.randn(parameter.shape, generator=rng))
    return made


def sampled(made: GivenBases, n: int, calls: int | None = None, **options):
    if made.config.network.causal:
        return sample_left_to_right(made, n, **options)
    return sample_masked(made, n, calls, **options)


def together(*arguments, **options) -> np.ndarray:
    return np.concatenate(list(sampled(*arguments, **options)))


def every_sequence() -> torch.Tensor:
    return torch.cartesian_prod(*[torch.arange(4)] * 3).to(torch.uint8)


def law_of(made: GivenBases, **condition: torch.Tensor) -> torch.Tensor:
    """(64,) probability of every sequence: a product of what the network says base by base, for the
    masked one the mean of it over the six orders.
    """
    codes, total = every_sequence(), torch.zeros(64, dtype=torch.float64)
    told = {name: value.expand(64, *value.shape[1:]) for name, value in condition.items()}
    with torch.no_grad():
        if made.config.network.causal:
            return (-autoregressive_nats(made, codes, told).double()).exp()
        for order in itertools.permutations(range(3)):
            nats, given = torch.zeros(64), torch.full_like(codes, MASKED)
            for place in order:
                chances = made(given, **told)[:, :, place]
                nats -= chances.gather(1, codes[:, place, None].long())[:, 0]
                given[:, place] = codes[:, place]
            total += (-nats.double()).exp() / 6
    return total


def away(codes: np.ndarray, law: torch.Tensor) -> bool:
    """Whether any of the 64 sequences is more than 5 standard errors off its share; those that are
    expected fewer than 20 times, which are not normally distributed, as one.
    """
    share, p = np.bincount(codes @ [16, 4, 1], minlength=64) / len(codes), law.numpy()
    rare = p < 20 / len(codes)
    share, p = (np.append(values[~rare], values[rare].sum()) for values in (share, p))
    return bool((np.abs(share - p) > 5 * np.sqrt(p * (1 - p) / len(codes))).any())


@pytest.mark.parametrize("network", ["cnn", "transformer"])
def test_autoregressive_designs_have_the_law_of_its_likelihood(network):
    made = model("autoregressive", network=network)
    codes = together(made, N)
    assert codes.dtype == np.uint8
    assert not away(codes, law_of(made))
    if network == "cnn":  # bases of this transformer hardly hang together
        assert away(np.random.default_rng(0).permuted(codes, axis=0), law_of(made))


def test_masked_designs_have_the_law_of_random_orders():
    made = model("masked")
    law = law_of(made)
    assert float(law.sum()) == pytest.approx(1, abs=1e-5)
    assert not away(together(made, N), law)
    # With one call all bases come as if alone, which is another law.
    assert away(together(made, N, 1), law)


@pytest.mark.parametrize("kind", ["masked", "autoregressive"])
def test_designs_have_the_law_under_the_label_and_the_number_asked_for(kind):
    made = model(kind)
    with torch.no_grad():
        for name in ("label.weight", "activity.weight"):
            made.get_parameter(name).mul_(6)
    of_x = law_of(made, label=torch.tensor([0]))
    of_y = law_of(made, label=torch.tensor([1]))
    of_both = law_of(made, label=torch.tensor([0]), activity=torch.tensor([[2.0]]))
    codes = together(made, N, condition=Condition("x"))
    assert not away(codes, of_x)
    assert away(codes, of_y)
    codes = together(made, N, condition=Condition("x", {"act": 2.0}))
    assert not away(codes, of_both)
    assert away(codes, of_x)


@pytest.mark.parametrize("kind", ["masked", "autoregressive"])
def test_chunks_follow_each_other_and_a_seed_gives_the_same(kind):
    made, seen = model(kind, length=6), []
    chunks = list(sampled(made, 10, chunk=4, progress=lambda done, n: seen.append((done, n))))
    assert [c.shape for c in chunks] == [(4, 6), (4, 6), (2, 6)]
    assert seen == [(4, 10), (4, 10), (2, 10)]
    assert max(c.max() for c in chunks) < MASKED
    assert np.array_equal(np.concatenate(chunks), together(made, 10, chunk=4))
    assert not np.array_equal(np.concatenate(chunks), together(made, 10, chunk=4, seed=1))


def test_an_equivariant_masked_network_designs_too():
    sizes = NetworkConfig(width=16, depth=1, equivariant=True)
    config = ModelConfig(5, sizes)
    made = BASELINES["masked"].network(config, make_encoding("one-hot"), seed=0)
    assert together(made, 6).shape == (6, 5)


def test_what_cannot_be_asked_for_is_refused():
    made = model("masked")
    for wrong, word in (
        (lambda: together(made, 2, condition=Condition("z")), "'z' was not seen"),
        (lambda: together(made, 2, condition=Condition(activity={"b": 1.0})), "'b' was not seen"),
        (lambda: together(made, 0), "--samples 0"),
        (lambda: together(made, 2, 4), "--steps 4: give 1 to 3"),
    ):
        with pytest.raises(InputError, match=word):
            wrong()
