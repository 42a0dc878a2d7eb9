"""Distances between image sets in a feature space, and whose features these are.

The distances are torchmetrics' (extra `metrics`). Features are those of a classifier trained on the
data at hand, or of the Inception network whose weights the user names: torchvision is never
imported here, and torch-fidelity, which holds that network, only when weights are given.
"""

import importlib
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_vision.source import CHUNK

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
    """Fréchet distance of Gaussians with the moments of features (n, d) and (m, d) (Heusel et al.
    2017).
    """
    metric = _metric("fid", "FrechetInceptionDistance", feature=_Same(first.shape[1]))
    return float(_between(metric, first, second))


def kernel_distance(first: Tensor, second: Tensor, seed: int = 0) -> tuple[float, float]:
    """Unbiased squared MMD with a cubic kernel of features (n, d) and (m, d) (KID: Binkowski et al.
    2018), and its standard error over subsets; nan where there is but one.
    """
    size = min(_SUBSET, len(first), len(second))
    # Subsets that are all there is would be the same one every time.
    subsets = _SUBSETS if min(len(first), len(second)) > size else 1
    metric = _metric(
        "kid", "KernelInceptionDistance",
        feature=_Same(first.shape[1]), subsets=subsets, subset_size=size,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mean, std = _between(metric, first, second)
    return float(mean), float(std) / subsets**0.5 if subsets > 1 else float("nan")


def precision_recall(real: Tensor, generated: Tensor) -> tuple[float, float]:
    """Shares of generated features (m, d) among the real (n, d), and of real ones among the
    generated: within the distance of a third neighbour (Kynkaanniemi et al. 2019).
    """
    return _covered(generated, real), _covered(real, generated)


def inception_features(weights: Path, x: Tensor, device: torch.device) -> Tensor:
    """(n, 2048) pooled features of the Inception network of FID, of images (n, c, h, w) in [-1, 1].

    weights: the file that torch-fidelity or torchmetrics download.
    """
    if not weights.is_file():
        raise InputError(f"--inception-weights {weights}: no such file")
    try:
        from torchmetrics.image.fid import NoTrainInceptionV3

        network = NoTrainInceptionV3(
            "inception-v3-compat", [str(INCEPTION_FEATURES)], str(weights)
        ).to(device)
    except (ImportError, ModuleNotFoundError) as error:
        raise InputError(
            "--inception-weights needs torchmetrics and torch-fidelity, and a torchvision that fits"
            f" torch: pip install torchmetrics torch-fidelity ({str(error).splitlines()[0]})"
        ) from None
    except (RuntimeError, OSError, ValueError) as error:
        raise InputError(
            f"--inception-weights {weights}: these are no weights of FID's Inception network"
            f" ({str(error).splitlines()[0]})"
        ) from None
    with torch.no_grad():
        parts = [network(as_bytes(part).to(device)) for part in torch.split(x, 128)]
    return torch.cat([_first(part).flatten(1).cpu() for part in parts])


def as_bytes(x: Tensor) -> Tensor:
    """(n, c, h, w) in [-1, 1] -> (n, 3, h, w) uint8."""
    grey = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    if grey.shape[1] not in (1, 3):
        raise InputError(f"images of {grey.shape[1]} channels have no Inception features")
    return grey.expand(-1, 3, -1, -1)


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
        return kind(**options)


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
