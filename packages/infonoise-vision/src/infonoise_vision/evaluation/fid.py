"""Distances between image sets in a feature space, and whose features these are.

The distances are torchmetrics' (extra `metrics`). Features are those of a classifier trained on the
data at hand, or of the Inception network whose weights the user names: torchvision is never
imported here, and torch-fidelity, which holds that network, only when weights are given.
"""

import importlib
import pickle
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.source import CHUNK

NEED = "pip install 'infonoise-vision[metrics]'"
INCEPTION_FEATURES = 2048
# Of torchmetrics' kernel distance.
_SUBSETS, _SUBSET = 100, 1000
# Neighbours of the manifold that precision and recall are read from.
_NEIGHBOURS = 3


class _Same(nn.Module):
    """Features that are there already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x


def has_metrics() -> bool:
    """Whether torchmetrics is installed."""
    try:
        import torchmetrics  # noqa: F401
    except ImportError:
        return False
    return True


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Fréchet distance of Gaussians with the moments of features (n, d) and (m, d).

    Heusel et al. 2017 (arXiv 1706.08500).
    """
    metric = _metric("fid", "FrechetInceptionDistance", feature=_Same(first.shape[1]))
    return float(_between(metric, first, second))


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d) of features (n, d), in double precision."""
    x = features.double()
    return x.mean(0), x.T.cov()


def frechet_of_moments(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> float:
    """The same of means (d,) and covariances (d, d): `|m - m'|^2 + tr(S + S' - 2 (S S')^1/2)`."""
    (mean, one), (other_mean, other) = first, second
    root = _root(one)
    # S^1/2 S' S^1/2 has the eigenvalues of S S' and is symmetric.
    cross = torch.linalg.eigvalsh(root @ other @ root).clamp_min(0).sqrt().sum()
    return float((mean - other_mean).square().sum() + one.trace() + other.trace() - 2 * cross)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors * values.clamp_min(0).sqrt() @ vectors.T
    return root


def kernel_distance(first: Tensor, second: Tensor, seed: int = 0) -> tuple[float, float]:
    """KID of features (n, d) and (m, d), and its standard error over other draws of both sets.

    The unbiased squared MMD with a cubic kernel (Binkowski et al. 2018, arXiv 1801.01401). Of more
    than 1000 the value is the mean over 100 subsets of 1000, as KID is reported.
    """
    size = min(_SUBSET, len(first), len(second))
    # Subsets that are all there is would be the same one every time.
    subsets = _SUBSETS if max(len(first), len(second)) > size else 1
    metric = _metric(
        "kid", "KernelInceptionDistance",
        feature=_Same(first.shape[1]), subsets=subsets, subset_size=size,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mean, std = _between(metric, first, second)
    # Subsets overlap, so their own spread says only what the choice of subsets adds.
    chosen = float(std) ** 2 / subsets if subsets > 1 else 0.0
    return float(mean), (kernel_variance(first, second) + chosen) ** 0.5


def kernel_variance(first: Tensor, second: Tensor) -> float:
    """Estimated variance of the unbiased squared MMD of (n, d) and (m, d), with KID's kernel.

    By the terms of its Hoeffding decomposition (Serfling 1980, ch. 5; for the MMD: Sutherland et
    al. 2017). Those of one image alone vanish where both distributions are the same; the variance
    that they show in a sample holds the terms of two images twice, of which one part is taken away.
    """
    x, y = first.double(), second.double()
    n, m = len(x), len(y)
    xx, yy, xy = _kernel_sums(x, x, own=True), _kernel_sums(y, y, own=True), _kernel_sums(x, y)
    alone = 4 * float((xx.rows / (n - 1) - xy.rows / m).var()) / n
    alone += 4 * float((yy.rows / (m - 1) - xy.columns / n).var()) / m
    pairs = 2 * _within(xx, n) / (n * (n - 1)) + 2 * _within(yy, m) / (m * (m - 1))
    pairs += 4 * _across(xy, n, m) / (n * m)
    # No smaller: the terms of one image have a variance of at least 0.
    return max(alone - pairs, alone / 2)


def precision_recall(real: Tensor, generated: Tensor) -> tuple[float, float]:
    """Shares of generated features (m, d) among the real (n, d), and of real among generated.

    Among them is what lies within the distance of a third neighbour (Kynkaanniemi et al. 2019,
    arXiv 1904.06991).
    """
    return _covered(generated, real), _covered(real, generated)


class Inception:
    """Images (n, c, h, w) in [-1, 1] -> (n, 2048) pooled features of FID's Inception network.

    Args:
        weights: The file that torch-fidelity downloads.
        channels: Of the images, 1 or 3.
        device: Where the network runs; its features come to the CPU.

    Raises:
        InputError: Where the network cannot be built.
    """

    def __init__(self, weights: Path, channels: int, device: torch.device) -> None:
        _refuse_channels(channels)
        if not weights.is_file():
            raise InputError(f"--inception-weights {weights}: no such file")
        self._network, self._device = _inception(weights).to(device), device

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """In parts of 128 images."""
        parts = [self._network(as_bytes(part).to(self._device)) for part in torch.split(x, 128)]
        return torch.cat([_first(part).flatten(1).cpu() for part in parts])


def _inception(weights: Path) -> nn.Module:
    try:
        from torchmetrics.image.fid import NoTrainInceptionV3

        # Numbers only: torch reads it again for the network, and such a file runs nothing.
        torch.load(weights, map_location="meta", weights_only=True)
        network: nn.Module = NoTrainInceptionV3(
            "inception-v3-compat", [str(INCEPTION_FEATURES)], str(weights)
        )
    except ImportError as error:
        raise InputError(
            "--inception-weights needs torchmetrics and torch-fidelity, and a torchvision that fits"
            f" torch: pip install torchmetrics torch-fidelity ({str(error).splitlines()[0]})"
        ) from None
    except (RuntimeError, OSError, ValueError, EOFError, KeyError, TypeError,
            pickle.UnpicklingError) as error:  # fmt: skip
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"--inception-weights {weights}: no weights of FID's Inception network ({why})"
        ) from None
    # Published numbers come of TensorFlow's way to resize, which knows no antialiasing.
    network.use_antialias = False  # type: ignore[assignment]
    return network


def as_bytes(x: Tensor) -> Tensor:
    """(n, c, h, w) in [-1, 1] -> (n, 3, h, w) uint8."""
    _refuse_channels(x.shape[1])
    grey = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return grey.expand(-1, 3, -1, -1)


def _refuse_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise InputError(f"images of {channels} channels have no Inception features")


def _first(features: Any) -> Tensor:
    out: Tensor = features[0] if isinstance(features, tuple) else features
    return out


def _metric(module: str, name: str, **options: Any) -> Any:
    try:
        kind = getattr(importlib.import_module(f"torchmetrics.image.{module}"), name)
    except ImportError:
        raise InputError(f"distances between image sets need torchmetrics: {NEED}") from None
    with warnings.catch_warnings():
        # It keeps all features, as it says.
        warnings.simplefilter("ignore")
        # Every process has all features; torchmetrics would take those of several for different
        # ones and put them together.
        return kind(**options, sync_on_compute=False)


def _between(metric: Any, first: Tensor, second: Tensor) -> Any:
    metric.update(first.double(), real=True)
    metric.update(second.double(), real=False)
    return metric.compute()


def _covered(points: Tensor, cloud: Tensor) -> float:
    """Share of points within any ball around the cloud's, which reaches its third neighbour."""
    points, cloud = points.double(), cloud.double()
    k = min(_NEIGHBOURS, len(cloud) - 1)
    # A point is its own nearest neighbour.
    reach = torch.cat([_smallest(part, cloud, k + 1) for part in torch.split(cloud, CHUNK)])
    inside = [(torch.cdist(part, cloud) <= reach).any(1) for part in torch.split(points, CHUNK)]
    return float(torch.cat(inside).double().mean())


def _smallest(part: Tensor, cloud: Tensor, k: int) -> Tensor:
    return torch.cdist(part, cloud).kthvalue(k, dim=1).values


class _KernelSums(NamedTuple):
    """rows: (n,) and columns: (m,) sums of the kernel k of two sets.  squares: sum of k^2."""

    rows: Tensor
    columns: Tensor
    squares: float


def _kernel_sums(x: Tensor, y: Tensor, *, own: bool = False) -> _KernelSums:
    """Of (n, d) and (m, d), in blocks; without pairs of a point with itself where x is y's own."""
    rows, columns, squares = torch.zeros(len(x)).double(), torch.zeros(len(y)).double(), 0.0
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        k = (part @ y.T / x.shape[1] + 1) ** 3
        if own:
            k.diagonal(start).zero_()
        rows[start : start + CHUNK] = k.sum(1)
        columns += k.sum(0)
        squares += float(k.square().sum())
    return _KernelSums(rows, columns, squares)


def _within(sums: _KernelSums, n: int) -> float:
    """Mean square of the kernel of two different points, less what each of them says alone."""
    mean = sums.rows / (n - 1)
    alone = float((mean - mean.mean()).square().sum())
    return (sums.squares - 2 * n * alone) / (n * (n - 1)) - float(mean.mean()) ** 2


def _across(sums: _KernelSums, n: int, m: int) -> float:
    """The same of points of two sets."""
    rows, columns = sums.rows / m, sums.columns / n
    alone = float(rows.var(correction=0)) + float(columns.var(correction=0))
    return sums.squares / (n * m) - alone - float(rows.mean()) ** 2
