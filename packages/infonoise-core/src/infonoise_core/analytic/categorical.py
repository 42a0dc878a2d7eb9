"""Independent symbols, as one-hot vectors (exact by the Gumbel race) and as numbers."""

import math

import torch
from torch import Tensor

from infonoise_core.analytic.exact import Source, gaussian_quadrature, normal_quadrature
from infonoise_core.errors import InputError

# Symbols this many units of the noise apart are mistaken with a probability of about e^-100.
CERTAIN = 28.0
# Spacing of the race's grid: the trapezoid rule errs by e^(-pi^2 / step), interpolation by 1e-6.
_STEP = 0.2
_STENCIL = torch.arange(-2, 4)
# Of the quadrature over the noise around a number.
_NODES = 128


class CategoricalSource(Source):
    """`positions` independent symbols, each a vector with `high` at the symbol and `low` elsewhere.

    Args:
        probabilities: (K,) for all positions, or (positions, K).  dim = positions * K.
    """

    def __init__(
        self,
        probabilities: Tensor,
        positions: int | None = None,
        low: float = 0.0,
        high: float = 1.0,
    ) -> None:
        self.probabilities = symbol_table(probabilities, positions)
        self.low, self.high = low, high
        self.dim = self.probabilities.numel()
        self.entropy = float(-torch.xlogy(self.probabilities, self.probabilities).sum())
        self._races = Races(self.probabilities)
        self._cache: dict[float, float] = {}

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        symbol = torch.multinomial(self.probabilities, n, replacement=True, generator=generator).T
        hot = torch.nn.functional.one_hot(symbol, self.probabilities.shape[1]).flatten(1)
        return self.low + (self.high - self.low) * hot.to(torch.float32)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        prior = self.probabilities.log().to(x)
        scale = (self.high - self.low) / sigma.square()
        logits = scale[:, None, None] * x.reshape(len(x), *prior.shape) + prior
        return self.low + (self.high - self.low) * torch.softmax(logits, -1).reshape(x.shape)

    def mmse(self, sigma: Tensor) -> Tensor:
        """(high - low)^2 sum over positions of P(another symbol wins the race)."""
        for s in set(sigma.flatten().tolist()) - self._cache.keys():
            snr = ((self.high - self.low) / s) ** 2
            self._cache[s] = float(self._races.mistaken(snr).sum())
        values = [self._cache[s] for s in sigma.flatten().tolist()]
        total = torch.tensor(values, dtype=torch.float64).reshape(sigma.shape)
        return (self.high - self.low) ** 2 * total


class ScalarSource(Source):
    """Independent symbols, each one of the numbers `values` (K,).

    Args:
        probabilities: (K,) or (positions, K), rows adding up to 1.  mmse by Gauss-Hermite
            quadrature over the noise around each value.
    """

    def __init__(self, values: Tensor, probabilities: Tensor, positions: int | None = None) -> None:
        table = torch.as_tensor(probabilities, dtype=torch.float64)
        table = table.expand(positions or 1, -1) if table.dim() == 1 else table
        self.values = torch.as_tensor(values, dtype=torch.float64)
        if table.shape[1] != len(self.values):
            raise InputError(
                f"{len(self.values)} values and {table.shape[1]} probabilities: give one for each"
            )
        self.dim = len(table)
        self.table = table / table.sum(1, keepdim=True)
        self.entropy = float(-torch.xlogy(self.table, self.table).sum())

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        picks = torch.multinomial(self.table, n, replacement=True, generator=generator)
        return self.values[picks.T].to(torch.float32)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        distance = x[..., None].to(torch.float64) - self.values
        logits = self.table.log() - distance.square() / (2 * sigma.to(x.device)[:, None, None] ** 2)
        return (torch.softmax(logits, -1) @ self.values).to(x.dtype)

    def mmse(self, sigma: Tensor) -> Tensor:
        rows, _, times = distinct(self.table)
        flat = sigma.to(torch.float64).reshape(-1)
        z, weight = gaussian_quadrature(_NODES)
        # Distances from the value that was sent: moments around it lose no digits.
        away = self.values - self.values[:, None]
        moments = (torch.ones_like(away), away, away.square())
        total = torch.zeros_like(flat)
        for i, level in enumerate(flat):
            likelihood = torch.exp(-0.5 * (z[:, None] - away[:, None, :] / level).square())
            known, mean, square = ((likelihood * m[:, None, :]) @ rows.T for m in moments)
            # 0/0 only where the value that was sent has no probability.
            variance = (square / known - (mean / known).square()).nan_to_num(0)
            total[i] = torch.einsum("r,ri,z,izr->", times.to(rows), rows, weight, variance)
        return total.reshape(sigma.shape)


def symbol_table(probabilities: Tensor, positions: int | None = None) -> Tensor:
    """(positions, K) float64, each row summing to 1; from (K,) or (positions, K)."""
    table = torch.as_tensor(probabilities, dtype=torch.float64)
    if table.dim() == 1:
        table = table.expand(1 if positions is None else positions, -1)
    if table.dim() != 2 or positions not in (None, len(table)):
        raise InputError(
            f"symbol probabilities of shape {tuple(table.shape)} for {positions} positions:"
            " give (K,) or (positions, K)"
        )
    total = table.sum(1, keepdim=True)
    if not bool((table >= 0).all()) or not bool(((total - 1).abs() < 1e-4).all()):
        raise InputError("symbol probabilities must be 0 or more and sum to 1 at each position")
    return table / total


def distinct(table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct rows of a table, the one that each row is (n,), and how often each occurs."""
    rows, which, times = torch.unique(table, dim=0, return_inverse=True, return_counts=True)
    return rows, which, times


class Races:
    """How often symbols are taken for others, for each row of probabilities (n, K).

    What does not hang on the noise is done once: equal rows, and their decks.
    """

    def __init__(self, probabilities: Tensor) -> None:
        rows, self._which, _ = distinct(probabilities)
        self._decks = [_Deck(row) for row in rows]
        self._nothing = probabilities.new_zeros(len(probabilities))

    def mistaken(self, snr: float) -> Tensor:
        """(n,) 1 - E[posterior probability of the true symbol].

        Symbols are equally far from each other, by sqrt(2 snr) units of the noise; half the squared
        distance times this is the mmse, because E[sum of squared posteriors] = E[posterior of the
        true one].

        By the Gumbel trick the posterior is the probability of winning a race in which symbol j
        scores ln p_j + sqrt(snr) z_j + Gumbel, and the true one snr more. The scores are
        independent, so P(another one wins) is one integral over the true one's score of its density
        times 1 - prod F(score - ln p_j), F the distribution of sqrt(snr) z + Gumbel: two nested
        one-dimensional quadratures, whatever the size of the alphabet.
        """
        if 2 * snr > CERTAIN**2:
            return self._nothing
        reach = max(deck.size for deck in self._decks) - 1
        spread = 9 * math.sqrt(snr)
        low, high = -spread - 4.5, spread + 40.0
        score = low + _STEP * torch.arange(math.ceil((high - low) / _STEP), dtype=torch.float64)
        density = _race(score, snr)[0]
        shifts = _STEP * torch.arange(-reach, len(score) + reach, dtype=torch.float64)
        log_below = _race(low + snr + shifts, snr)[1]
        found = [deck.mistaken(density, log_below, reach) for deck in self._decks]
        return torch.stack(found)[self._which]


class _Deck:
    """One row of probabilities, spread over a grid of ln p that fits the grid of scores.

    Interpolating a smooth function at every ln p_j and adding up is the same as adding up its
    values on the grid with these counts, which costs the same for any number of symbols.
    """

    def __init__(self, probabilities: Tensor) -> None:
        # Rarer symbols than this carry no entropy that counts.
        p = probabilities[probabilities > 1e-15]
        steps = (p.max() / p).log() / _STEP
        first = steps.floor()
        share = _lagrange(steps - first)
        index = (first.to(torch.int64)[:, None] + (_STENCIL - _STENCIL[0])).flatten()
        self.size = int(index.max()) + 1
        zeros = torch.zeros(self.size, dtype=torch.float64)
        self._count = zeros.index_add(0, index, share.flatten())
        self._mass = zeros.index_add(0, index, (p[:, None] * share).flatten())

    def mistaken(self, density: Tensor, log_below: Tensor, reach: int) -> Tensor:
        """Probability that another symbol wins, given how the true symbol's score is distributed.

        Args:
            density: (n,) of the true symbol's score.
            log_below: (n + 2 reach,) log F from `reach` steps before to `reach` after it.
        """
        n = len(density)
        # Row b: the summed log F of all symbols when the true one sits at grid point b of ln p.
        start = reach - self.size + 1
        windows = log_below[start : start + n + 2 * (self.size - 1)].unfold(0, self.size, 1)
        everyone = (windows @ self._count).unfold(0, n, 1).flip(0)
        others = everyone - log_below[reach : reach + n]
        return _STEP * self._mass @ -torch.expm1(others.clamp_max(0)) @ density


def _race(score: Tensor, snr: float) -> tuple[Tensor, Tensor]:
    """Density and log distribution (n,) of sqrt(snr) z + Gumbel at score (n,)."""
    root = math.sqrt(snr)
    z, weight = normal_quadrature(min(0.5, 0.45 / root))
    excess = torch.exp(root * z - score[:, None])
    survived = torch.exp(-excess)
    above = -torch.expm1(-excess) @ weight
    below = (survived @ weight).clamp_min(1e-300)
    return (excess * survived) @ weight, torch.where(above < 0.5, torch.log1p(-above), below.log())


def _lagrange(x: Tensor) -> Tensor:
    """(n, 6) weights of sixth-order interpolation at x (n,) in [0, 1) from nodes -2..3."""
    nodes = _STENCIL.to(x)
    ratio = (x[:, None, None] - nodes) / (nodes[:, None] - nodes).fill_diagonal_(1)
    ratio.diagonal(dim1=1, dim2=2).fill_(1)
    return ratio.prod(-1)
