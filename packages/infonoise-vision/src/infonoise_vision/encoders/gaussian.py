"""A Gaussian of latents whose precision is that of the prior and what an image adds to it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Posterior:
    """q(z|y) = N((I + P)^-1 P t, (I + P)^-1) with P = diag(rho) + U U^T; the prior is N(0, I).

    The posterior of latents given a noisy image is not diagonal even where the code is, so P has a
    part of low rank.

    Attributes:
        target: t (n, m), where z would be if the image alone spoke.
        rho: (n, m), at least 0.
        u: (n, m, r).
    """

    target: Tensor
    rho: Tensor
    u: Tensor

    @property
    def evidence(self) -> Tensor:
        """P (n, m, m)."""
        return torch.diag_embed(self.rho) + self.u @ self.u.transpose(1, 2)

    def factor(self) -> Tensor:
        """Lower (n, m, m): its product with its transpose is the precision I + P."""
        eye = torch.eye(self.rho.shape[1], dtype=self.rho.dtype, device=self.rho.device)
        factor: Tensor = torch.linalg.cholesky(eye + self.evidence)
        return factor

    def mean(self, factor: Tensor) -> Tensor:
        """(n, m), given `factor` (n, m, m)."""
        pull = self.evidence @ self.target[..., None]
        mean: Tensor = torch.cholesky_solve(pull, factor)[..., 0]
        return mean

    def sample(self, noise: Tensor) -> Tensor:
        """z (n, m) from unit noise of its shape."""
        factor = self.factor()
        spread: Tensor = torch.linalg.solve_triangular(
            factor.transpose(1, 2), noise[..., None], upper=True
        )
        return self.mean(factor) + spread[..., 0]

    def log_prob(self, z: Tensor) -> Tensor:
        """(n,) log density of z (n, m), the term of the log-determinant included."""
        factor = self.factor()
        off = factor.transpose(1, 2) @ (z - self.mean(factor))[..., None]
        half = factor.diagonal(dim1=1, dim2=2).log().sum(1)
        return half - off[..., 0].square().sum(1) / 2 - z.shape[1] / 2 * math.log(2 * math.pi)

    def kl(self) -> Tensor:
        """(n,) nats from the prior N(0, I)."""
        factor = self.factor()
        half = factor.diagonal(dim1=1, dim2=2).log().sum(1)
        trace = torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2).sum(1)
        square = self.mean(factor).square().sum(1)
        return (trace + square - self.rho.shape[1]) / 2 + half
