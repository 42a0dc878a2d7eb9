"""Guidance of bases: against closed forms, and more of it gives more of what is asked for."""

import math

import pytest
import torch
from torch import Tensor, nn

from infonoise_bio.models.denoiser import IndependentBases
from infonoise_bio.models.encoding import Encoding, make_encoding
from infonoise_bio.models.guided import Guided
from infonoise_bio.models.options import ENCODING_NAMES
from infonoise_bio.models.restricted import Restricted
from infonoise_bio.synthetic import Planted, PlantedDna
from infonoise_core import InputError
from infonoise_core.sampling.generate import generate_chunks
from infonoise_core.sampling.grids import log_uniform_grid

ASKED = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64)
FREE = torch.tensor([0.1, 0.4, 0.3, 0.2], dtype=torch.float64)
# Half of the sequences are asked for a box and mostly have it; of all of them, half as many do.
WITH = PlantedDna(10, (Planted("TATAAT", 2, prob=0.8),))
ALL = PlantedDna(10, (Planted("TATAAT", 2, prob=0.4),))


class Independent(nn.Module):
    """Bases of either frequency, exact: label 0 is asked for, 1 says nothing."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encoding = encoding

    def logits(self, x: Tensor, sigma: Tensor, label: Tensor, **_: Tensor) -> Tensor:
        prior = torch.where((label == 0)[:, None], ASKED, FREE).log()
        return self.encoding.logits(x, sigma) + prior[..., None]


class Exact(Independent):
    def logits(self, x: Tensor, sigma: Tensor, label: Tensor, **_: Tensor) -> Tensor:
        source = WITH if int(label[0]) == 0 else ALL
        return source.posterior(self.encoding, x, sigma).clamp_min(1e-30).log()


def guided(denoiser: nn.Module, scale: float) -> Guided:
    return Guided(denoiser, scale, {"label": torch.tensor([1])})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ENCODING_NAMES)
@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0, 20.0])
def test_independent_bases_are_those_of_the_tilted_frequencies(name, scale):
    encoding = make_encoding(name)
    x = torch.randn(5, encoding.channels, 7, dtype=torch.float64)
    sigma, label = torch.tensor([0.1, 0.3, 1.0, 3.0, 30.0], dtype=torch.float64), torch.zeros(5)
    tilted = FREE * (ASKED / FREE) ** scale
    exact = IndependentBases(encoding, tilted / tilted.sum())
    found = guided(Independent(encoding), scale)(x, sigma, label=label)
    assert torch.allclose(found, exact(x, sigma), atol=1e-9)


def test_what_is_not_allowed_stays_away_at_any_scale():
    encoding = make_encoding("one-hot-01")
    allowed = torch.tensor([True, False, False, True])[:, None].expand(4, 7)
    denoiser = Restricted(guided(Independent(encoding), 8.0))
    x, sigma = torch.randn(3, 4, 7), torch.full((3,), 0.5)
    found = denoiser(x, sigma, allowed, label=torch.zeros(3))
    assert float(found[:, 1:3].abs().max()) == 0
    assert torch.allclose(found.sum(1), torch.ones(3, 7).double(), atol=1e-6)


def test_more_guidance_gives_more_of_the_motif():
    """With the exact posterior of both laws, and few steps: no more than a motif is lost to them.

    At 16 steps guidance of the mean point gives less at 8 than at 1.
    """
    encoding = make_encoding("one-hot")

    def rate(scale: float) -> float:
        chunks = generate_chunks(
            guided(Exact(encoding), scale), (4, WITH.length), 400, log_uniform_grid(16, 0.1, 10.0),
            solver="dpmpp-2m", condition={"label": torch.zeros(400)}, device=torch.device("cpu"),
        )  # fmt: skip
        codes = torch.cat([encoding.decode(part.x) for part in chunks])
        box = torch.tensor([3, 0, 3, 0, 0, 3])
        return float((codes[:, 2:8] == box).all(1).double().mean())

    free, once, twice, strongly, most = (rate(s) for s in (0.0, 1.0, 2.0, 4.0, 8.0))
    # Standard errors of shares of 400 are below 0.025.
    assert free < once - 0.05
    assert once < twice + 0.02
    assert twice < strongly + 0.05
    assert most > once + 0.1


def test_a_scale_must_be_finite():
    with pytest.raises(InputError, match="--guidance nan"):
        guided(Independent(make_encoding("one-hot")), math.nan)
