"""The Gaussian of latents, and what it says, against closed forms."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from infonoise_vision.encoders.gaussian import Posterior
from infonoise_vision.encoders.given import given_latent, moved_by
from infonoise_vision.encoders.task import gains

M, SIDE = 3, 3
D = SIDE**2


def some(n: int = 5, rank: int = 2) -> Posterior:
    rng = torch.Generator().manual_seed(0)
    target, rho = torch.randn(2, n, M, generator=rng).double()
    u = torch.randn(n, M, rank, generator=rng).double()
    return Posterior(target, rho.exp(), u)


def known(q: Posterior) -> MultivariateNormal:
    precision = torch.eye(M) + q.evidence
    mean = torch.linalg.solve(precision, q.evidence @ q.target[..., None])[..., 0]
    return MultivariateNormal(mean, precision_matrix=precision)


def test_density_cost_and_draws_are_those_of_the_gaussian() -> None:
    q = some()
    z = torch.randn(5, M, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(q.log_prob(z), known(q).log_prob(z))
    prior = MultivariateNormal(torch.zeros(M).double(), torch.eye(M).double())
    torch.testing.assert_close(q.kl(), kl_divergence(known(q), prior))
    noise = torch.randn(20_000, 5, M, generator=torch.Generator().manual_seed(2)).double()
    draws = torch.stack([q.sample(eps) for eps in noise])
    torch.testing.assert_close(draws.mean(0), known(q).mean, atol=0.04, rtol=0)
    for i in range(5):
        covariance = known(q).covariance_matrix[i]
        torch.testing.assert_close(draws[:, i].T.cov(), covariance, atol=0.04, rtol=0)


def test_without_evidence_it_is_the_prior() -> None:
    q = Posterior(torch.ones(4, M), torch.zeros(4, M), torch.zeros(4, M, 1))
    torch.testing.assert_close(q.kl(), torch.zeros(4))


class Linear:
    """x = W z + noise of deviation .3, z standard, and the denoiser of x: all Gaussian.

    Attributes:
        w: (d, m).
    """

    def __init__(self) -> None:
        self.w = torch.randn(D, M, generator=torch.Generator().manual_seed(4)).double() / 2
        self.own = 0.09

    def drawn(self, n: int) -> tuple[Tensor, Tensor]:
        """Images (n, 1, 3, 3) and their latents (n, m)."""
        rng = torch.Generator().manual_seed(5)
        z = torch.randn(n, M, generator=rng).double()
        x = z @ self.w.T + self.own**0.5 * torch.randn(n, D, generator=rng).double()
        return x.reshape(n, 1, SIDE, SIDE), z

    @property
    def information(self) -> float:
        """I(X; Z) in nats."""
        return float(torch.logdet(torch.eye(M) + self.w.T @ self.w / self.own)) / 2

    def prior(self, y: Tensor, sigma: Tensor, **_: Tensor) -> Tensor:
        """E[x | y] (n, 1, 3, 3)."""
        covariance = self.w @ self.w.T + self.own * torch.eye(D)
        noise = sigma.double().reshape(-1, 1, 1).square() * torch.eye(D)
        found = covariance @ torch.linalg.solve(covariance + noise, y.flatten(1)[..., None])
        return found.reshape(y.shape)

    def told(self, y: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
        """E[x | y, z] (n, 1, 3, 3)."""
        mean = (z @ self.w.T).reshape(y.shape)
        share = self.own / (self.own + sigma.double().reshape(-1, 1, 1, 1).square())
        return mean + share * (y - mean)

    def encoder(self, y: Tensor, sigma: Tensor) -> Posterior:
        """q(z|y), exact: a precision of rank m beside the prior's."""
        own = (self.own + sigma.double().square()).reshape(-1, 1, 1)
        u = (self.w.T @ torch.linalg.qr(self.w).Q)[None] / own.sqrt()
        evidence = u @ u.transpose(1, 2)
        pull = (self.w.T @ y.flatten(1)[..., None]) / own
        target = torch.linalg.solve(evidence, pull)[..., 0]
        return Posterior(target, torch.zeros(len(y), M).double(), u)

    def diagonal(self, y: Tensor, sigma: Tensor) -> Posterior:
        """The nearest of diagonal precision: that of each number by itself."""
        q = self.encoder(y, sigma)
        precision = torch.eye(M) + q.evidence
        mean = torch.linalg.solve(precision, q.evidence @ q.target[..., None])[..., 0]
        rho = q.evidence.diagonal(dim1=1, dim2=2)
        return Posterior(mean * (1 + rho) / rho, rho, torch.zeros(len(y), M, 1).double())


def test_a_denoiser_that_is_told_a_latent() -> None:
    """Bayes' rule: the exact encoder makes of E[x|y] the exact E[x|y, z]."""
    model = Linear()
    x, z = model.drawn(20)
    sigma = torch.logspace(-2, 1, 20).double()
    y = x + sigma.reshape(-1, 1, 1, 1) * torch.randn(x.shape, dtype=torch.double)
    found = given_latent(model.prior, model.encoder)(y, sigma, z=z)
    torch.testing.assert_close(found, model.told(y, sigma, z))


def gained(model: Linear, encoder: object, levels: int = 60, n: int = 600) -> float:
    """Nats by which latents of the true posterior take error away, over all noise."""
    x, z = model.drawn(n)
    low, high = 1e-3, 1e3
    width = math.log(high / low) / levels
    rng = torch.Generator().manual_seed(7)
    total = 0.0
    for k in range(levels):
        sigma = torch.full((n,), low * math.exp(width * (k + 0.5))).double()
        eps = torch.randn(x.shape, generator=rng).double()
        total += width * float(gains(model.prior, encoder, x, sigma, eps, z).mean())
    return total


def test_the_gain_of_the_exact_encoder_is_the_information() -> None:
    """And no more than the cost; of a diagonal one it is less."""
    model = Linear()
    full, diagonal = (gained(model, q) for q in (model.encoder, model.diagonal))
    assert full == pytest.approx(model.information, rel=0.05)
    assert diagonal < 0.97 * full
    x, _ = model.drawn(4000)
    cost = float(model.encoder(x, torch.full((4000,), 1e-3)).kl().mean())
    assert cost == pytest.approx(model.information, rel=0.03)


def test_it_learns_through_the_slope() -> None:
    """A weight inside the encoder gets a gradient from the error that its slope takes away."""
    model, scale = Linear(), nn.Parameter(torch.ones((), dtype=torch.double))

    def scaled(y: Tensor, sigma: Tensor) -> Posterior:
        q = model.encoder(y, sigma)
        return Posterior(q.target * scale, q.rho, q.u)

    x, z = model.drawn(2000)
    sigma = torch.full((2000,), 0.5).double()
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).double()
    slopes = []
    for at in (0.7, 1.0, 1.3):
        scale.data.fill_(at)
        gain = gains(model.prior, scaled, x, sigma, eps, z, learns=True).mean()
        slopes.append(float(torch.autograd.grad(gain, scale)[0]))
    # Uphill to the exact encoder from both sides; there the slope is that of noise.
    assert slopes[0] > 4 * abs(slopes[1])
    assert slopes[2] < -4 * abs(slopes[1])
    moved = moved_by(model.encoder, x, sigma, z, learns=False)
    assert not moved.requires_grad
