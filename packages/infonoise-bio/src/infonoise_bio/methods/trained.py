"""A finished run: its settings, its averaged network and what it takes to use them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.examples import Examples
from infonoise_bio.methods.diffusion import Objective, describe
from infonoise_bio.models.denoiser import BaseDenoiser, ModelConfig, make_denoiser
from infonoise_bio.sampling.sequences import Sampling
from infonoise_core.app.train import profile_of, read_run_of
from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.generate import SamplerConfig
from infonoise_core.training.engines.torch import pick_device
from infonoise_core.training.loop import PROFILE_FILE, load_denoiser

COMMAND = "infonoise-bio train"


@dataclass(frozen=True)
class TrainedRun:
    """denoiser: the averaged weights, on their device.  profile: None for a fixed schedule."""

    path: Path
    settings: dict[str, Any]
    objective: Objective
    denoiser: BaseDenoiser
    profile: EntropyRateProfile | None

    def sampling(self, config: SamplerConfig) -> Sampling:
        """The options of a command for this run's noise levels and profile."""
        low, high = self.objective.sigma_min, self.objective.sigma_max
        return Sampling(
            config.sigmas(low, high, self.profile),
            config.solver,
            config.churning(self.profile),
            config.guidance,
            config.seed,
            config.chunk,
            config.s_noise,
        )

    def sequences(self, data: str | None = None) -> SequenceSet:
        """The sequences of the run, from `data` where they have moved; InputError for others."""
        data = data or str(self.settings["data"])
        sequences = Examples.from_dict(self.settings["examples"]).load(data)
        found, known = describe(sequences), self.settings["sequences"]
        differs = next((k for k in known if k != "name" and found[k] != known[k]), None)
        if differs:
            raise InputError(
                f"{data}: not the sequences of {self.path}, whose {differs} is {known[differs]} and"
                f" not {found[differs]}; give the same ones with --data"
            )
        return sequences


def open_trained(run: Path, device: str) -> TrainedRun:
    """The run in the folder `run`; InputError where there is none."""
    settings = read_run_of(COMMAND, run)
    objective = Objective(**settings["objective"])
    denoiser = make_denoiser(ModelConfig.from_dict(settings["model"]), objective.code(), seed=0)
    load_denoiser(run, denoiser)
    denoiser.to(pick_device(device)).eval()
    profile = profile_of(run) if (run / PROFILE_FILE).exists() else None
    return TrainedRun(run, settings, objective, denoiser, profile)
