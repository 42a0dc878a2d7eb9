"""From the options of what is learned to encoding, weight, network and schedule context."""

import numpy as np
import torch

from infonoise_bio.alphabet import base_frequencies
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.methods.options import Objective
from infonoise_bio.models.config import Conditions, ModelConfig
from infonoise_bio.models.encoding import Encoding, make_encoding
from infonoise_bio.models.lengths import length_law
from infonoise_bio.models.options import preset
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.weighting import Weight, edm_weight
from infonoise_core.schedules.registry import ScheduleContext


def encoding_of(objective: Objective) -> Encoding:
    """The encoding that `encoding` and `scale` name."""
    return make_encoding(objective.encoding, objective.scale)


def weight_of(objective: Objective) -> Weight:
    """The loss weight, in units of the codes: their scale changes no loss and no gradient."""
    std = encoding_of(objective).std
    if objective.weight == "edm":
        return edm_weight(std)
    return lambda sigma: torch.full_like(sigma, std**-2)


def model_config(objective: Objective, sequences: SequenceSet) -> ModelConfig:
    """The model for these training sequences."""
    network = preset(
        objective.size,
        objective.network,
        positions=objective.strand == "forward",
        equivariant=objective.equivariant,
    )
    a, c, g, t = base_frequencies(sequences.codes, both_strands=objective.strand == "both").tolist()
    law = None
    if sequences.lengths is not None:
        law = length_law(sequences.lengths, sequences.labels, len(sequences.classes))
    return ModelConfig(sequences.length, network, conditions_of(sequences), (a, c, g, t), law)


def conditions_of(sequences: SequenceSet) -> Conditions:
    """The classes, and the numbers with their mean and spread."""
    if sequences.numbers is None:
        return Conditions(sequences.classes)
    mean = sequences.numbers.mean(0, dtype=np.float64)
    std = sequences.numbers.std(0, dtype=np.float64)
    return Conditions(
        sequences.classes, sequences.number_names, tuple(mean.tolist()), tuple(std.tolist())
    )


def schedule_context(objective: Objective, steps: int, sequences: SequenceSet) -> ScheduleContext:
    """What a schedule is made for.

    Args:
        objective: What is learned.
        steps: Optimizer steps of the run.
        sequences: The training sequences.
    """
    channel = VarianceExploding(objective.sigma_min, objective.sigma_max)
    encoding = encoding_of(objective)
    bases = max(1, round(float(sequences.mask.sum()) / len(sequences)))
    frequencies = base_frequencies(sequences.codes, both_strands=objective.strand == "both")
    symbols = encoding.profile(channel, bases, frequencies)
    return ScheduleContext(
        channel, weight_of(objective), steps, bases * encoding.channels, symbols,
        logits=objective.cross_entropy,
    )  # fmt: skip
