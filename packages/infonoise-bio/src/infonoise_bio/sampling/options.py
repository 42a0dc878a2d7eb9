"""Options of sampling, free of heavy imports: a command line is parsed by them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tyro.conf import OmitArgPrefixes, UseAppendAction

from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig


@dataclass(frozen=True)
class DnaSampler(SamplerConfig):
    """How sequences are generated, with fresh noise where the entropy is.

    On promoters it brings motifs and positions nearer to real ones than more steps do
    (docs/decisions.md).
    """

    steps: int = 32
    """noise levels of the solver"""
    churn: float = 0.3
    """fresh noise before each step, relative to its level; up to 0.41"""


@dataclass(frozen=True)
class ConditionOptions:
    """What the sequences shall be like, as far as the model was trained with it."""

    label: str | None = None
    """a class of the training data"""
    activity: UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE of a number of the training data; once for each"""

    def __post_init__(self) -> None:
        self.numbers()

    def numbers(self) -> dict[str, float]:
        """The activities by name; InputError for one without a number."""
        numbers = {}
        for text in self.activity:
            name, _, value = text.rpartition("=")
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if not name or not math.isfinite(number):
                raise InputError(
                    f"--activity {text}: give a name and a number, such as strength=1.5"
                )
            if name in numbers:
                raise InputError(f"--activity {text}: give each name once")
            numbers[name] = number
        return numbers

    def fields(self) -> Mapping[str, str]:
        """What goes into the header of each sequence."""
        label = {} if self.label is None else {"label": self.label}
        numbers = (text.rpartition("=") for text in self.activity)
        return {**label, **{name: value for name, _, value in numbers}}


@dataclass(frozen=True)
class SampleExtras:
    """What DNA adds to the verb `sample`."""

    prefix: str = "design"
    """their names: design_1, design_2, ..."""
    condition: OmitArgPrefixes[ConditionOptions] = field(default_factory=ConditionOptions)
    length: int | None = None
    """bases of each, from a model that was trained with --lengths as-they-are; drawn as in training
    without it"""
    oracle: str | None = None
    """sequences towards a goal, by a score: a program of torch.export (.pt2), or module:function or
    file.py:function, from one-hot bases (n, 4, length) to numbers (n,) or (n, k)"""
    maximise: str = "0"
    """--oracle: which of its outputs, by number from 0 or by name"""
    strength: float = 1.0
    """--oracle: the law is the model's times exp(strength * score)"""
    particles: int = 256
    """--oracle, --power, --temperature: sequences that compete with each other; more are nearer to
    that law"""
    gradients: bool = False
    """--oracle: let its gradients lead the way, where it has any; the law is the same, but of
    sequences of more than some tens of bases hardly a particle is left"""
    place: UseAppendAction[tuple[str, ...]] = ()
    """letters at a position from 0, such as TATAWR@30 (W: A or T, R: A or G); may be repeated"""
    power: UseAppendAction[tuple[str, ...]] = ()
    """CLASS=POWER: the product of the laws of classes, each to a power; =POWER is the law of all
    classes together, so a=1, b=1 and =-1 are sequences of both; may be repeated"""
    temperature: float = 1.0
    """the law to the power of 1 / temperature: below 1 for more probable sequences"""
    gc: str | None = None
    """share of G and C from one to another, such as 0.4-0.6; others are drawn again"""

    @property
    def wishes(self) -> bool:
        """Whether sequences shall have something beyond their condition."""
        plain = self.oracle is None and not self.place and self.gc is None
        return not plain or self.is_product

    @property
    def is_product(self) -> bool:
        """Whether it is a product of laws or a power of one that is drawn from."""
        return bool(self.power) or self.temperature != 1

    def powers(self) -> dict[str, float]:
        """Of each class, "" for all together; InputError for what is no power."""
        found: dict[str, float] = {}
        for text in self.power:
            name, sign, value = text.rpartition("=")
            try:
                power = float(value)
            except ValueError:
                power = math.nan
            if not sign or not math.isfinite(power) or name in found:
                raise InputError(
                    f"--power {text}: give each class once, and a number, as in K562=1"
                )
            found[name] = power
        return found

    def __post_init__(self) -> None:
        if not math.isfinite(self.strength):
            raise InputError(f"--strength {self.strength}: give a finite number")
        if not 0 < self.temperature < math.inf:
            raise InputError(f"--temperature {self.temperature:g}: give a positive number")
        if self.is_product and (self.oracle is not None or self.place):
            raise InputError(
                "--power and --temperature do not go with --oracle and --place: leave one out"
            )
        if self.powers() and self.condition.label is not None:
            raise InputError(
                f"--label with --power: give --power {self.condition.label}=1 in its place"
            )
        if self.particles < 2:
            raise InputError(f"--particles {self.particles}: give at least 2")
        if self.oracle is None and self.maximise != "0":
            raise InputError(
                f"--maximise {self.maximise}: give --oracle with what scores sequences"
            )
        if not self.prefix or self.prefix.split() != [self.prefix]:
            raise InputError(f"--prefix {self.prefix!r}: give a word without spaces")
