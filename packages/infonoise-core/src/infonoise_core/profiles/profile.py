"""The conditional-entropy-rate profile: a frozen table on a log-sigma grid."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infonoise_core.binning import invert_cdf
from infonoise_core.errors import InputError
from infonoise_core.files import read_json, write_text

FORMAT = "infonoise-profile"
VERSION = 1


@dataclass(frozen=True, eq=False)
class EntropyRateProfile:
    """Rate of information loss dH(x0 | x_sigma) / dlog sigma = mmse(sigma) / sigma^2, in nats.

    I-MMSE (Guo, Shamai & Verdu 2005); estimated from denoising errors it is an upper bound on the
    rate.

    All on the CPU, float64:

    Attributes:
        edges: (K+1,) ascending bin edges in sigma.
        rate: (K,) nats per unit log sigma and example, averaged over the bin in log sigma.
        stderr: (K,) its standard error, inf where nothing was seen.
        count: (K,) observations that went in.
        dim: Dimensions of one example, if known.
        raw: (K,) rate with nothing that `dim` bounds cut off, where it was estimated.
        implied: (K,) rate by the denoiser's own posterior variance, nan where unknown.
        groups: Name -> (K,) parts of the rate, which add up to it.
    """

    edges: Tensor
    rate: Tensor
    stderr: Tensor
    count: Tensor
    dim: int | None = None
    raw: Tensor | None = None
    implied: Tensor | None = None
    groups: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def sigma(self) -> Tensor:
        """(K,) geometric bin centres."""
        return (self.edges[:-1] * self.edges[1:]).sqrt()

    @property
    def width(self) -> Tensor:
        """(K,) bin widths in log sigma."""
        return self.edges.log().diff()

    @property
    def mmse(self) -> Tensor:
        """(K,) squared x0-error summed over an example's dimensions, at the bin centres."""
        return self.rate * self.sigma.square()

    def entropy(self) -> float:
        """Nats per example between the ends of the grid: the integral of rate over log sigma."""
        return float((self.rate * self.width).sum())

    def entropy_stderr(self, *, seen: bool = False) -> float:
        """Standard error of `entropy`, bins taken as independent.

        Args:
            seen: Leave out bins in which nothing was seen; otherwise one makes it infinite.
        """
        error = (self.stderr * self.width).square()
        return float((error[self.stderr.isfinite()] if seen else error).sum().sqrt())

    def cdf(self) -> Tensor:
        """(K+1,) share of the entropy that lies below each edge."""
        mass = (self.rate * self.width).clamp_min(0)
        total = mass.sum()
        if not total > 0:
            raise InputError("the profile is zero everywhere: it has no quantiles; train longer")
        return torch.cat([mass.new_zeros(1), mass.cumsum(0) / total]).clamp_max(1.0)

    def quantile(self, q: float | Tensor) -> Tensor:
        """Sigma below which a share q of the entropy lies; same shape as q.

        Log-linear inside a bin.
        """
        q = torch.as_tensor(q, dtype=torch.float64)
        if bool(((q < 0) | (q > 1)).any()):
            raise InputError("a quantile lies between 0 and 1")
        return invert_cdf(self.cdf(), self.edges.log(), q).exp()

    def at(self, sigma: Tensor) -> Tensor:
        """Rate at any sigma; same shape as sigma.

        Log-linear between bin centres and held beyond them.
        """
        log_sigma = sigma.detach().to("cpu", torch.float64).log()
        centres = self.sigma.log()
        right = torch.searchsorted(centres, log_sigma).clamp(1, len(centres) - 1)
        left = right - 1
        step = centres[right] - centres[left]
        weight = ((log_sigma - centres[left]) / step).clamp(0, 1)
        return torch.lerp(self.rate[left], self.rate[right], weight)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads them back to the last bit."""
        columns = {
            "edges": self.edges,
            "rate": self.rate,
            "stderr": self.stderr,
            "count": self.count,
        }
        optional = {"raw": self.raw, "implied": self.implied}
        return {
            "format": FORMAT,
            "version": VERSION,
            "dim": self.dim,
            **{name: _numbers(column) for name, column in columns.items()},
            **{name: _numbers(column) for name, column in optional.items() if column is not None},
            "groups": {name: _numbers(column) for name, column in self.groups.items()},
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "EntropyRateProfile":
        """Read what `to_dict` gave; InputError when it is no profile of this version."""
        if table.get("format") != FORMAT:
            raise InputError("this is no entropy-rate profile: give a file that profile.save wrote")
        if table.get("version") != VERSION:
            raise InputError(
                f"the profile has format version {table.get('version')}, this program reads"
                f" {VERSION}: use the release that wrote it"
            )

        columns = {
            name: _column(table[name])
            for name in ("edges", "rate", "stderr", "count", "raw", "implied")
            if name in table
        }
        groups = {name: _column(values) for name, values in table.get("groups", {}).items()}
        profile = cls(dim=table["dim"], groups=groups, **columns)
        lengths = {len(c) for name, c in columns.items() if name != "edges"}
        lengths |= {len(c) for c in groups.values()}
        if lengths != {len(profile.edges) - 1}:
            raise InputError("the profile's columns differ in length: the file is damaged")
        return profile

    def save(self, path: str | Path) -> None:
        """Write JSON, atomically: a reader sees the old file or the new one, never half of it."""
        write_text(Path(path), json.dumps(self.to_dict()))

    @classmethod
    def load(cls, path: str | Path) -> "EntropyRateProfile":
        """Read a file that `save` wrote; InputError names the file when it is none."""
        path = Path(path)
        if not path.exists():
            raise InputError(f"{path}: no such profile")
        table = read_json(path, "give a file that profile.save wrote")
        try:
            return cls.from_dict(table)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{path}: not a profile or a damaged one; write it again") from None


def _numbers(column: Tensor) -> list[float | str]:
    # JSON knows no inf and nan.
    return [v if math.isfinite(v) else str(v) for v in column.tolist()]


def _column(values: list[float | str]) -> Tensor:
    return torch.tensor([float(v) for v in values], dtype=torch.float64)
