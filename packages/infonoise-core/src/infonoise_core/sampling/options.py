"""How examples are generated, as options: names and checks, and nothing that needs torch."""

import math
from dataclasses import dataclass
from typing import Literal

from infonoise_core.errors import InputError

# Names of the grids (grids.py) that follow a profile and of those that do not, and of the solvers
# (solvers.py).
PROFILE_GRIDS = ("entropic", "rescaled-entropic", "kl")
PLAIN_GRIDS = ("karras", "log-uniform")
GRIDS = (*PROFILE_GRIDS, *PLAIN_GRIDS)
SOLVERS = ("euler", "heun", "dpmpp-2m", "gradient-estimation", "deis", "unipc", "evodiff")
# The cap of Karras et al. 2022: above it a step adds more noise than x already carries.
MAX_GAMMA = math.sqrt(2) - 1

Churning = Literal["constant", "band", "rate"]


@dataclass(frozen=True)
class SamplerConfig:
    """How examples are generated, the same in every domain."""

    steps: int = 18
    """noise levels of the solver"""
    grid: str = "entropic"
    """by the run's profile: entropic, rescaled-entropic or kl; without: karras or log-uniform"""
    solver: str = "heun"
    """euler, heun, dpmpp-2m, gradient-estimation, deis, unipc or evodiff"""
    churn: float = 0.0
    """fresh noise before each step, relative to its level; up to 0.41"""
    churn_gate: Churning = "band"
    """where: at constant size, in the band that holds the middle 90 % of the entropy, or in
    proportion to the rate"""
    s_noise: float = 1.003
    """factor of the fresh noise"""
    s_churn: float = 0.0
    """EDM's S_churn, in place of --churn: this much over all steps, at constant size"""
    s_min: float = 0.0
    """--s-churn and constant --churn: none below this noise level"""
    s_max: float | None = None
    """--s-churn and constant --churn: none above this noise level"""
    rho: float = 7.0
    """--grid karras: exponent; more of the levels are low with a higher one"""
    sigma_min: float | None = None
    """lowest noise level; left out, that of the training"""
    sigma_max: float | None = None
    """highest noise level; left out, that of the training"""
    guidance: float = 1.0
    """strength of the condition: 1 for none beyond it, 0 to ignore it"""
    seed: int = 0
    """of the starting noise"""
    chunk: int = 256
    """examples at a time: more of them need more memory"""
    device: str = "auto"
    """cpu, cuda or auto"""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("seed", 0), ("chunk", 1)):
            if getattr(self, name) < least:
                raise InputError(f"--{name} {getattr(self, name)}: give at least {least}")
        if self.grid not in GRIDS:
            raise InputError(f"--grid {self.grid}: no such grid; give one of {', '.join(GRIDS)}")
        if self.solver not in SOLVERS:
            raise InputError(
                f"--solver {self.solver}: no such solver; give one of {', '.join(SOLVERS)}"
            )
        if not 0 <= self.churn <= MAX_GAMMA:
            raise InputError(f"--churn {self.churn:g}: give 0 to {MAX_GAMMA:.4f}")
        self._check_edm()

    def _check_edm(self) -> None:
        """Options by the names of Karras et al. 2022."""
        if not 0 <= self.s_churn < math.inf:
            raise InputError(f"--s-churn {self.s_churn:g}: give 0 or more, such as 40")
        if self.s_churn and self.churn:
            raise InputError(f"--s-churn {self.s_churn:g} and --churn {self.churn:g}: give one")
        if not 0 < self.rho < math.inf:
            raise InputError(f"--rho {self.rho:g}: give a positive exponent, 7 as a rule")
        for low, high, least, most in (
            ("s-min", "s-max", self.s_min, self.s_max),
            ("sigma-min", "sigma-max", self.sigma_min, self.sigma_max),
        ):
            if (least is not None and not least >= 0) or (
                most is not None and not (least or 0.0) < most
            ):
                raise InputError(
                    f"--{low} {least if least is not None else '-'} and --{high}"
                    f" {most if most is not None else '-'}: give noise levels, the lower first"
                )
        between = self.s_min > 0 or self.s_max is not None
        constant = self.churn > 0 and self.churn_gate == "constant"
        if between and not (self.s_churn or constant):
            option = f"--s-min {self.s_min:g}" if self.s_max is None else f"--s-max {self.s_max:g}"
            raise InputError(
                f"{option}: bounds --s-churn and --churn with --churn-gate constant; give one"
            )
        if self.sigma_min == 0:
            raise InputError("--sigma-min 0: give a noise level above 0; 0 follows the last one")

    @property
    def needs_profile(self) -> bool:
        """Whether the levels or the churn are read from a profile."""
        return self.grid not in PLAIN_GRIDS or self.churns_by_profile

    @property
    def churns_by_profile(self) -> bool:
        """Whether the churn follows a profile."""
        return self.churn > 0 and self.churn_gate != "constant"
