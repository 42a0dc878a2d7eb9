"""A finished run: its settings, its averaged network and what it takes to use them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infonoise_bio.alphabet import Codes
from infonoise_bio.data.sequences import SequenceSet, describe
from infonoise_bio.examples import examples_of, load_examples
from infonoise_bio.methods.base import Method
from infonoise_bio.methods.diffusion import sampling_of
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.recipe import encoding_of
from infonoise_bio.methods.registry import BASELINES, DIFFUSION
from infonoise_bio.models.denoiser import BaseDenoiser, ModelConfig
from infonoise_bio.sampling.sequences import Condition, Progress, Sampling
from infonoise_core.config.renamed import upgraded
from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.engines.ranks import pick_device
from infonoise_core.training.loop import load_denoiser
from infonoise_core.training.run_folder import CONFIG_FILE, profile_if_any, read_run, read_run_of

COMMAND = "infonoise-bio train"
BASELINES_COMMAND = "infonoise-bio baselines"


@dataclass(frozen=True)
class TrainedRun:
    """A trained network.

    Attributes:
        path: Its folder.
        settings: Its config.json.
        objective: What it was trained on.
        method: How.
        denoiser: The averaged weights, on their device.
        profile: None where none was measured.
    """

    path: Path
    settings: dict[str, Any]
    objective: Objective
    method: Method
    denoiser: BaseDenoiser
    profile: EntropyRateProfile | None

    @property
    def length(self) -> int:
        """Bases of a sequence."""
        return self.denoiser.config.length

    def sample(
        self, n: int, sampler: SamplerConfig, condition: Condition, progress: Progress | None = None
    ) -> Iterator[Codes]:
        """New sequences as codes (chunk, L); InputError before the first for what the model was
        not trained with.
        """
        condition.rows(self.denoiser)
        return self.method.sample(self, n, sampler, condition, progress)

    def sampling(self, config: SamplerConfig) -> Sampling:
        """The options of a command for this run's noise levels and profile."""
        return sampling_of(self, config)

    def sequences(self, data: str | None = None) -> SequenceSet:
        """The sequences of the run, from `data` where they have moved; InputError for others."""
        data = data or str(self.settings["data"])
        sequences = load_examples(examples_of(self.settings["examples"]), data)
        found, known = describe(sequences), self.settings["sequences"]
        differs = next((k for k in known if k != "name" and found[k] != known[k]), None)
        if differs:
            raise InputError(
                f"{data}: not the sequences of {self.path}, whose {differs} is {known[differs]} and"
                f" not {found[differs]}; give the same ones with --data"
            )
        return sequences


def open_trained(run: Path, device: str) -> TrainedRun:
    """The run of `train` in the folder `run`; InputError where there is none."""
    return _open(run, read_run_of(COMMAND, run), DIFFUSION, device)


def open_any(run: Path, device: str) -> TrainedRun:
    """The run in the folder `run`, or the baseline whose folder it is; InputError for neither."""
    if _of_baselines(run):
        folders = " or ".join(str(run / name) for name in BASELINES)
        raise InputError(f"{run} holds several models: give {folders}")
    if run.name in BASELINES and _of_baselines(run.parent):
        settings = read_run(run.parent)
        if "model" not in settings:
            raise InputError(f"{run.parent}: its settings say nothing of the model; train again")
        return _open(run, settings, BASELINES[run.name], device)
    return open_trained(run, device)


def _of_baselines(run: Path) -> bool:
    there = (run / CONFIG_FILE).is_file()
    return there and read_run(run).get("command") == BASELINES_COMMAND


def _open(run: Path, settings: dict[str, Any], method: Method, device: str) -> TrainedRun:
    objective = Objective(**upgraded(settings["objective"], Objective))
    config = ModelConfig.from_dict(settings["model"])
    denoiser = method.network(config, encoding_of(objective), seed=0)
    load_denoiser(run, denoiser)
    denoiser.to(pick_device(device)).eval()
    return TrainedRun(run, settings, objective, method, denoiser, profile_if_any(run))
