"""Which part of an entropy rate draws noise levels: one formula, four exponents.

density per unit log sigma ~ [sum over groups of rate * m^a * (1 - m)^b]^q * weight^-c

m, the unknown share, is the group's mmse over the most that it comes to at high noise. With a = b =
0 it is the rate itself (Raya et al. 2026). With a = b = 1 it is drawn where a symbol is half known:
the Fisher information that a draw carries of how two symbols hang together goes as m (1 - m), and
the bound's own gradient lies at rate * (1 - m).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile

# Share of the largest rate below which it counts as gone at the low end of the grid.
_GONE = 0.1
# Unknown share that the highest level but one unit of log sigma has to have: beyond the data's
# scale the error grows no more (of a Gaussian, from 0.75 of its variance at 1.7 times its spread).
_LEVEL, _UNIT = 0.75, 1.0


@dataclass(frozen=True)
class Law:
    """Exponents of a noise distribution; the module's text has the formula.

    Attributes:
        unknown: a, of the unknown share m.
        known: b, of 1 - m.
        power: q, of the sum.
        compensate: c, the value exponent: how far the loss weight is divided out. 0 leaves it in,
            for the most bits; c = power makes draws times weight follow the rate; more of it spends
            more draws on high noise, which pictures show.
    """

    unknown: float = 0.0
    known: float = 0.0
    power: float = 1.0
    compensate: float = 0.0

    def __post_init__(self) -> None:
        if not self.power > 0:
            raise InputError(f"power {self.power:g}: give a positive one, 1 or 0.5 as a rule")
        for name in ("unknown", "known", "compensate"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} {getattr(self, name):g}: give an exponent of 0 or more")

    @property
    def reads_shares(self) -> bool:
        """Whether it asks how much of the data is unknown at each level."""
        return self.unknown > 0 or self.known > 0

    def information(self, profile: EntropyRateProfile) -> Tensor:
        """(K,) what a draw at each level is worth: the sum over groups, or over all there is."""
        if not self.reads_shares:
            return profile.rate
        square = profile.sigma.square()
        total = torch.zeros_like(profile.rate)
        for rate in (*profile.groups.values(),) or (profile.rate,):
            m = unknown_share(rate * square)
            total = total + rate * m**self.unknown * (1 - m) ** self.known
        return total

    def weighed(self, information: Tensor, weight: Tensor | None) -> Tensor:
        """(K,) of any scale: information^q * weight^-c."""
        if weight is None or self.compensate == 0:
            return information**self.power
        if self.compensate == self.power:
            return (information / weight) ** self.power
        return information**self.power / weight**self.compensate

    def premise_missing(self, profile: EntropyRateProfile, gate: Tensor) -> str:
        """Why unknown shares cannot be read off this profile; empty where they can.

        A share needs both ends: levels at which all is known, and levels at which nothing is.

        Args:
            profile: What is known of the data.
            gate: (K,) how far each level is believed.
        """
        if not self.reads_shares:
            return ""
        believed = gate * profile.rate
        if not bool(believed.isfinite().all()) or not float(believed.max()) > 0:
            return ""  # nothing is known at all, of which other words speak
        if float(believed[0]) > _GONE * float(believed.max()):
            return "the rate does not vanish at sigma_min, as that of symbols does"
        m = unknown_share(profile.mmse)
        log_sigma = profile.sigma.log()
        below = m[log_sigma <= log_sigma[-1] - _UNIT]
        if len(below) and float(below[-1]) < _LEVEL:
            return "the error still grows at sigma_max, so no level shows all of the data unknown"
        return ""

    def plain(self) -> "Law":
        """Without unknown shares: the rate itself, with the same value exponent."""
        return Law(compensate=self.compensate) if self.reads_shares else self


def context_law(compensate: float = 0.0) -> Law:
    """Draws where a symbol is half known: rate * m * (1 - m), squared.

    For symbols that are the model's own unit (bases, grey levels), trained with the cross entropy
    of the symbols. What a network adds to independent symbols is much the same at every level, so
    draws may gather where they say most about it.
    """
    return Law(unknown=1.0, known=1.0, power=2.0, compensate=compensate)


def law_of(law: Law | None, power: float, compensate: float | bool) -> Law:
    """The law that is given, or that of two exponents, where compensate True stands for power.

    InputError for both.
    """
    if law is None:
        return Law(power=power, compensate=power if compensate is True else float(compensate))
    if power != 1.0 or compensate is not True:
        raise InputError("a law has its own power and compensate: give it alone")
    return law


def unknown_share(mmse: Tensor) -> Tensor:
    """(K,) between 0 and 1: the cumulative maximum of an error (K,) over its last value."""
    grown = mmse.cummax(0).values
    return grown / grown[-1].clamp_min(1e-300)
