"""Whatever `sample` can take sequences from: a diffusion run, or one of the baselines."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infonoise_bio.alphabet import Codes
from infonoise_bio.baseline_designs import design_from_given
from infonoise_bio.methods.baselines import BASELINES, GivenBases, baseline_model
from infonoise_bio.methods.diffusion import Objective
from infonoise_bio.methods.trained import TrainedRun, open_trained
from infonoise_bio.models.denoiser import ModelConfig
from infonoise_bio.sampling.sequences import Progress, Wanted, design
from infonoise_core.errors import InputError
from infonoise_core.sampling.generate import SamplerConfig
from infonoise_core.training.config import CONFIG_FILE, read_run
from infonoise_core.training.engines.torch import pick_device
from infonoise_core.training.loop import load_denoiser

BASELINES_COMMAND = "infonoise-bio baselines"


class Designer(Protocol):
    """A trained model that makes sequences of `length` bases."""

    @property
    def length(self) -> int:
        """Bases of a sequence."""

    def design(
        self, n: int, sampler: SamplerConfig, wanted: Wanted, progress: Progress | None = None
    ) -> Iterator[Codes]:
        """n new sequences as codes (chunk, L); InputError before the first for what the model was
        not trained with.
        """


@dataclass(frozen=True)
class DiffusionDesigner:
    """A run of `train`."""

    run: TrainedRun

    @property
    def length(self) -> int:
        return self.run.denoiser.config.length

    def design(
        self, n: int, sampler: SamplerConfig, wanted: Wanted, progress: Progress | None = None
    ) -> Iterator[Codes]:
        wanted.condition(self.run.denoiser)
        return design(self.run.denoiser, n, self.run.sampling(sampler), wanted, progress)


@dataclass(frozen=True)
class BaselineDesigner:
    """One of the models of `baselines`: --steps are calls of the masked one, at most one for each
    base; the other options of a solver mean nothing to either.
    """

    model: GivenBases

    @property
    def length(self) -> int:
        return self.model.config.length

    def design(
        self, n: int, sampler: SamplerConfig, wanted: Wanted, progress: Progress | None = None
    ) -> Iterator[Codes]:
        wanted.condition(self.model)
        if sampler.guidance != 1:
            raise InputError(
                f"--guidance {sampler.guidance:g}: a baseline has none; leave it out, the label"
                " alone steers it"
            )
        return design_from_given(
            self.model, n, min(sampler.steps, self.length), wanted,
            seed=sampler.seed, chunk=sampler.chunk, progress=progress,
        )  # fmt: skip


def open_designer(run: Path, device: str) -> Designer:
    """The run in the folder `run`, or the baseline whose folder it is; InputError for neither."""
    if _of_baselines(run):
        folders = " or ".join(str(run / kind) for kind in BASELINES)
        raise InputError(f"{run} holds several models: give {folders}")
    if run.name in BASELINES and _of_baselines(run.parent):
        return BaselineDesigner(_open_baseline(run, device))
    return DiffusionDesigner(open_trained(run, device))


def _of_baselines(run: Path) -> bool:
    there = (run / CONFIG_FILE).is_file()
    return there and read_run(run).get("command") == BASELINES_COMMAND


def _open_baseline(run: Path, device: str) -> GivenBases:
    settings = read_run(run.parent)
    if "model" not in settings:
        raise InputError(f"{run.parent}: its settings say nothing of the model; train again")
    encoding = Objective(**settings["objective"]).code()
    model = baseline_model(run.name, ModelConfig.from_dict(settings["model"]), encoding, seed=0)
    load_denoiser(run, model)
    return model.to(pick_device(device))
