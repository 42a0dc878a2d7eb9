"""What every way of learning a generative model of bases has: the `Method` protocol."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from infonoise_bio.alphabet import Codes
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.methods.options import Objective
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.models.encoding import Encoding
from infonoise_bio.sampling.sequences import Condition, Progress
from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.task import Task


@dataclass(frozen=True)
class Trained:
    """A network after training, and what sampling from it takes.

    Attributes:
        objective: What it was trained on.
        denoiser: Its averaged weights.
        profile: As measured in training; None where there is none.
    """

    objective: Objective
    denoiser: BaseDenoiser
    profile: EntropyRateProfile | None


class Method(Protocol):
    """One way to learn a generative model of bases, on the network that all ways share."""

    @property
    def name(self) -> str:
        """As in folders and tables."""

    def network(self, config: ModelConfig, encoding: Encoding, seed: int) -> BaseDenoiser:
        """A fresh network, the same for the same seed."""

    def task(self, objective: Objective, sequences: SequenceSet, seed: int) -> Task:
        """What core's loop trains: the sequences, with a fresh network."""

    def evaluation(
        self, objective: Objective, training: SequenceSet, held_out: SequenceSet
    ) -> Evaluation:
        """Held-out bits per base."""

    def sample(
        self,
        trained: Trained,
        n: int,
        sampler: SamplerConfig,
        condition: Condition | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Codes]:
        """New sequences of a trained network, as codes (chunk, L), one chunk at a time.

        Args:
            trained: The network.
            n: How many.
            sampler: How; what means nothing to this method is refused or left aside.
            condition: What the sequences shall be like.
            progress: Called with (sequences just done, n).

        Raises:
            InputError: For what the model was not trained with.
        """
