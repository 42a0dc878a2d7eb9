"""Everything that a denoiser of DNA is rebuilt from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from infonoise_bio.alphabet import BASES
from infonoise_bio.models.lengths import LengthLaw
from infonoise_bio.models.options import NetworkConfig
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError


@dataclass(frozen=True)
class Conditions:
    """What a model can be given beside the noisy sequence.

    Attributes:
        classes: Names of the labels; label len(classes) means "not given".
        activities: Names of the numbers, NaN means "not given".
        mean, std: Of each number, to bring it to unit size.
    """

    classes: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.activities) == len(self.mean) == len(self.std):
            raise InputError("conditions: give one mean and one std for each activity")
        same = next((i for i, s in enumerate(self.std) if not 0 < s < math.inf), None)
        if same is not None:
            raise InputError(
                f"conditions: {self.activities[same]!r} does not vary, so it says nothing; leave it"
                " out"
            )

    def label(self, name: str) -> int:
        """Index of a class; InputError names those there are."""
        if name not in self.classes:
            there = ", ".join(self.classes) or "none: the model was trained without labels"
            raise InputError(f"label '{name}' was not seen in training; there are {there}")
        return self.classes.index(name)

    def null(self) -> dict[str, Tensor]:
        """One row of each condition that says nothing: for `guidance.guided`.

        label: (1,), the index after the last class.  activity: (1, k) NaN.
        """
        nothing: dict[str, Tensor] = {}
        if self.classes:
            nothing["label"] = torch.tensor([len(self.classes)])
        if self.activities:
            nothing["activity"] = torch.full((1, len(self.activities)), math.nan)
        return nothing


@dataclass(frozen=True)
class ModelConfig:
    """Everything that a denoiser is rebuilt from.

    Attributes:
        length: Bases of a sequence, of the longest where they differ.
        network: Its sizes.
        conditions: What it can be given.
        frequencies: Of A C G T, the prior of the untrained model.
        lengths: How often each length came in training; None where all have the same.
    """

    length: int
    network: NetworkConfig = field(default_factory=NetworkConfig)
    conditions: Conditions = field(default_factory=Conditions)
    frequencies: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    lengths: LengthLaw | None = None

    def __post_init__(self) -> None:
        if len(self.frequencies) != len(BASES) or min(self.frequencies) <= 0:
            raise InputError(f"frequencies {self.frequencies}: give four positive ones")
        a, c, g, t = self.frequencies
        if self.network.equivariant and (a, c) != (t, g):
            raise InputError(
                f"frequencies {self.frequencies} differ between the strands: an equivariant network"
                " needs those of A and T, and of C and G, equal"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they go into a run's config.json; no lengths where all are the same."""
        values = settings_of(self)
        if self.lengths is None:
            del values["lengths"]
        return values

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "ModelConfig":
        """What `to_dict` gave, perhaps by way of JSON."""
        network = {**values["network"], "dilations": tuple(values["network"]["dilations"])}
        return ModelConfig(
            values["length"],
            NetworkConfig(**network),
            Conditions(**{k: tuple(v) for k, v in values["conditions"].items()}),
            tuple(values["frequencies"]),
            LengthLaw.from_dict(values["lengths"]) if values.get("lengths") else None,
        )
