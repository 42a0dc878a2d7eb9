"""A model of the user's as judge of sequences: any program that torch.export wrote."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.evaluation.oracles.exported import load_program
from infonoise_core.errors import InputError

_CHUNK = 256


class Oracle:
    """Features of sequences, by a program (.pt2) of the user's.

    It takes one-hot bases (n, 4, L), A C G T in that order, 0 where a base is not known, and
    returns (n, k): activities, class scores or an inner layer. Only its graph and its numbers are
    read; nothing that it brings along is run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._program = load_program(path)
        except InputError as error:
            raise InputError(f"--oracle {error}") from None

    @torch.no_grad()
    def features(self, codes: Codes) -> NDArray[np.float64]:
        """(n, k) of codes (n, L)."""
        found = []
        for start in range(0, len(codes), _CHUNK):
            part = torch.from_numpy(codes[start : start + _CHUNK].astype(np.int64))
            bases = nn.functional.one_hot(part, MASKED + 1)[..., :MASKED].transpose(1, 2).float()
            try:
                out = self._program(bases)
            except (RuntimeError, AssertionError) as error:
                raise InputError(
                    f"--oracle {self.path}: does not take sequences of shape {tuple(bases.shape)}"
                    f" ({error}); export it with a dynamic first dimension and this length"
                ) from None
            found.append(self._rows(out, len(part)))
        return torch.cat(found).numpy()

    def _rows(self, out: object, n: int) -> Tensor:
        """(n, k), float64, of what the program gave for n sequences."""
        if not isinstance(out, Tensor):
            raise InputError(
                f"--oracle {self.path}: gives a {type(out).__name__}; export a program that gives"
                " one tensor (n, k)"
            )
        if out.dim() == 0 or len(out) != n:
            raise InputError(
                f"--oracle {self.path}: gives shape {tuple(out.shape)} for {n} sequences; it shall"
                " give (n, k)"
            )
        if not bool(out.isfinite().all()):
            raise InputError(f"--oracle {self.path}: gives numbers that are not finite")
        return out.reshape(n, -1).to(torch.float64)


def frechet_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Between Gaussians with mean and covariance of features (n, k) and (m, k).

    Source: Heusel et al. 2017; with Sei's features it is Sei-FID.
    """
    mean = float(((first.mean(0) - second.mean(0)) ** 2).sum())
    one, two = (np.atleast_2d(np.cov(f, rowvar=False)) for f in (first, second))
    # The product of two covariances has no negative eigenvalue but by rounding.
    roots = np.sqrt(np.linalg.eigvals(one @ two).real.clip(0))
    return max(0.0, mean + float(np.trace(one) + np.trace(two) - 2 * roots.sum()))
