"""What is known of an image while the rest is drawn: a region, coarse image, class or pair.

One knob covers the usual estimators (Batzolis et al. 2021, arXiv 2111.13606): beside the image x
at noise level sigma the network sees the condition y at a level of its own, c sigma.  c = 0: y is
never noised, and the best network is the true conditional denoiser.  0 < c < 1: both are noised,
at two speeds.  c = 1: joint diffusion; where y is a region this is the method of replacement.
With c > 0 the condition is noised anew at every call of the sampler, and even a perfect network
draws from another distribution than the true posterior: little for small c and stochastic
samplers, far for c = 1.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import EDMDenoiser
from infonoise_vision.models.options import check_condition
from infonoise_vision.models.pairs import PairPlanes
from infonoise_vision.models.symbols import SymbolDenoiser

Shape = tuple[int, int, int]


class Condition(Protocol):
    """What is known of images (n, c, h, w), and how.

    Attributes:
        channels: Planes of y.
    """

    channels: int

    def observe(
        self,
        x0: Tensor,
        label: Tensor | None = None,
        generator: torch.Generator | None = None,
        pair: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """What the denoiser is given of y.

        Args:
            x0: (n, c, h, w) images.
            label: (n,) their classes.
            generator: What regions are drawn by.
            pair: (n, channels, h, w) what lies beside them, of which y may be.

        Returns:
            given: (n, channels, h, w), y as planes.
            known: (n, 1, h, w), only where y is x0 itself: 1 where it is given and 0 elsewhere.
        """

    def noise(self, given: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Unit noise of y, as planes; drawn where the generator is."""

    def project(self, x0: Tensor, seen: Mapping[str, Tensor]) -> Tensor:
        """The nearest image to x0 that agrees with y: A+ y + (1 - A+ A) x0."""


class Region:
    """A part of the image is known: all but the lower half, or all but a random rectangle."""

    def __init__(self, shape: Shape, *, box: bool) -> None:
        self.channels, self.box = shape[0], box

    def observe(
        self, x0: Tensor, label: Tensor | None = None, generator: torch.Generator | None = None,
        pair: Tensor | None = None,
    ) -> dict[str, Tensor]:  # fmt: skip
        n, _, h, w = x0.shape
        if not self.box:
            known = lower_half_hidden(h, w, x0.device).to(x0).expand(n, 1, h, w)
        else:
            at = x0.device if generator is None else generator.device
            draws = torch.rand(4, n, generator=generator, device=at).to(x0.device)
            known = 1 - (
                _between(draws[0], draws[1], h)[:, None, :, None]
                * _between(draws[2], draws[3], w)[:, None, None, :]
            )
        return region(x0, known)

    def noise(self, given: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return _randn(given.shape, given, generator)

    def project(self, x0: Tensor, seen: Mapping[str, Tensor]) -> Tensor:
        return torch.where(seen["known"] > 0, seen["given"], x0)


class Coarse:
    """The means of factor x factor cells are known."""

    def __init__(self, shape: Shape, factor: int) -> None:
        if factor < 2 or shape[1] % factor or shape[2] % factor:
            raise InputError(
                f"--factor {factor}: images of {shape[2]}x{shape[1]} pixels have no such cells;"
                " give a whole number from 2 that divides both sides"
            )
        self.channels, self.factor = shape[0], factor

    def observe(
        self, x0: Tensor, label: Tensor | None = None, generator: torch.Generator | None = None,
        pair: Tensor | None = None,
    ) -> dict[str, Tensor]:  # fmt: skip
        return {"given": self.enlarge(functional.avg_pool2d(x0, self.factor))}

    def noise(self, given: Tensor, generator: torch.Generator | None = None) -> Tensor:
        n, c, h, w = given.shape
        return self.enlarge(_randn((n, c, h // self.factor, w // self.factor), given, generator))

    def project(self, x0: Tensor, seen: Mapping[str, Tensor]) -> Tensor:
        return x0 + seen["given"] - self.enlarge(functional.avg_pool2d(x0, self.factor))

    def enlarge(self, means: Tensor) -> Tensor:
        """Means of cells (n, c, h / factor, w / factor) -> (n, c, h, w), each at all its pixels."""
        return functional.interpolate(means, scale_factor=self.factor, mode="nearest")


class ClassPlanes:
    """The class is known: one plane per class, 1 in its own and 0 in the others."""

    def __init__(self, shape: Shape, classes: int) -> None:
        if not classes:
            raise InputError("--condition label: the images have no labels; give some that do")
        self.channels = classes

    def observe(
        self, x0: Tensor, label: Tensor | None = None, generator: torch.Generator | None = None,
        pair: Tensor | None = None,
    ) -> dict[str, Tensor]:  # fmt: skip
        if label is None:
            raise InputError("a run with --condition label needs the class of every image")
        rows = functional.one_hot(label, self.channels).to(x0)
        return {"given": rows[:, :, None, None].expand(-1, -1, *x0.shape[2:])}

    def noise(self, given: Tensor, generator: torch.Generator | None = None) -> Tensor:
        # One number for a whole plane: independent ones would average out.
        return _randn((*given.shape[:2], 1, 1), given, generator).expand_as(given)

    def project(self, x0: Tensor, seen: Mapping[str, Tensor]) -> Tensor:
        raise InputError("a class is no linear part of an image: it cannot be projected on")


def make_condition(kind: str, shape: Shape, factor: int, classes: int, pair: int = 0) -> Condition:
    """The condition of that name for images of `shape` (c, h, w), with pairs of `pair` channels."""
    if kind == "pair":
        return PairPlanes(pair)
    if kind == "superres":
        return Coarse(shape, factor)
    if kind == "label":
        return ClassPlanes(shape, classes)
    check_condition(kind)
    return Region(shape, box=kind == "hidden-box")


def region(x0: Tensor, known: Tensor) -> dict[str, Tensor]:
    """What `Region.observe` gives, for any known (n, 1, h, w) of 0 and 1."""
    return {"given": x0 * known, "known": known}


def lower_half_hidden(h: int, w: int, device: torch.device | None = None) -> Tensor:
    """(1, 1, h, w): 1 in the upper half; the middle row of an odd height is hidden."""
    known = torch.zeros(1, 1, h, w, device=device)
    known[:, :, : h // 2] = 1
    return known


class _Conditioned(nn.Module):
    """Before a denoiser in the order of bases: gives it y as planes, at c sigma.

    Attributes:
        noise: c.  The network gets y, scaled to about unit variance by `given_data`, its standard
            deviation, and a plane that says where it is given.  Known pixels of x add nothing to y
            and are not looked at; in the result they are those of y, so no error is counted there.
    """

    noise: float
    given_data: float

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        given: Tensor | None = None,
        known: Tensor | None = None,
        given_noise: Tensor | None = None,
        withheld: Tensor | None = None,
        **rest: Any,
    ) -> Tensor:
        """x (n, c, h, w), sigma (n,) -> (n, c, h, w).

        Args:
            x: Noisy images.
            sigma: Their noise levels.
            given: As `Condition.observe` gives it.
            known: Likewise.
            given_noise: Unit noise of y, needed where c > 0.
            withheld: (n,) true where y is not shown at all, so that known pixels are not shown
                either.
        """
        if given is None or (self.noise and given_noise is None):
            missing = "condition" if given is None else "noise of its condition"
            raise InputError(f"this network was trained with a condition: give the {missing}")
        level = (self.noise * sigma.to(torch.float32)).reshape(-1, 1, 1, 1)
        seen = given if given_noise is None else given + level * given_noise
        seen = seen / (level.square() + self.given_data**2).sqrt()
        shown = seen.new_ones(len(x), 1, *x.shape[2:]) if known is None else known
        if withheld is not None:
            shown = shown.masked_fill(withheld.reshape(-1, 1, 1, 1), 0)
        planes = torch.cat([seen * shown, shown], 1)
        hidden = x if known is None else x * (1 - known)
        denoised: Tensor = super().forward(hidden, sigma, given=planes, **rest)
        if known is None or rest.get("logits"):
            return denoised
        return torch.where(known > 0, given, denoised)


class ConditionedDenoiser(_Conditioned, EDMDenoiser):
    """D(x, sigma, given, known, ...) -> E[x0 | x at sigma, y at c sigma].

    Args:
        noise: c.
        given_data: Standard deviation of y; by default that of the images.
    """

    def __init__(
        self,
        network: nn.Module,
        sigma_data: float = 0.5,
        noise: float = 0.0,
        unit: float = 1.0,
        given_data: float | None = None,
    ) -> None:
        super().__init__(network, sigma_data, unit)
        self.noise, self.given_data = noise, given_data or sigma_data


class ConditionedSymbols(_Conditioned, SymbolDenoiser):
    """The same of a head of symbols.

    Args:
        noise, given_data: As there.  The others are a `SymbolDenoiser`'s.
    """

    def __init__(
        self,
        *arguments: Any,
        noise: float = 0.0,
        given_data: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.noise, self.given_data = noise, given_data or self.sigma_data


def _between(start: Tensor, size: Tensor, side: int) -> Tensor:
    """(n, side): 1 on a stretch of a quarter of the side to all of it, which some quarter takes."""
    length = (side * (0.25 + size)).round().clamp(1, side)
    first = (start * (side - length + 1)).floor()[:, None]
    places = torch.arange(side, device=start.device)
    return ((places >= first) & (places < first + length[:, None])).to(start.dtype)


def _randn(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    at = like.device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=at).to(like)
