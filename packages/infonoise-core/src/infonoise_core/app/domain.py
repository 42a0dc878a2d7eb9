"""The contract between core and a domain: what images, text or DNA say for themselves.

From one class that fills it in, core makes the verbs train, sample, evaluate, profile, compare,
report, push and pull. ARCHITECTURE.md, "Add a domain", walks through the smallest one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from infonoise_core.training.config import RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import nn

    from infonoise_core.app.interface import Interface
    from infonoise_core.app.options import (
        EvaluateOptions,
        ProfileOptions,
        ReportOptions,
        SampleOptions,
    )
    from infonoise_core.app.trained import TrainedRun
    from infonoise_core.evaluation.measures import Evaluation
    from infonoise_core.evaluation.schema import Evaluated
    from infonoise_core.schedules.fixed import Schedule
    from infonoise_core.schedules.registry import ScheduleContext
    from infonoise_core.training.task import Task

# What a denoiser generated, to be looked at: a PNG image, or text.
Samples = bytes | str

Data = TypeVar("Data")
Options = TypeVar("Options")


class Domain(ABC, Generic[Data, Options]):
    """A kind of data and how it is learned.

    Data is what `load` makes of the user's files, all splits of it; Options the dataclass of what
    is learned and how data are read, the same in train and compare, without any of core's options.

    Attributes:
        summary_key: Where config.json keeps what `summary` says.
        labels: Entries of `summary` that are names for people: other data may have the same ones.
        assets: Names of the files and folders that `save_assets` writes.
        tags: For the hub.
        use: Words of a command on the folder `model`, for the page of a shared model.
    """

    summary_key: ClassVar[str] = "data_summary"
    labels: ClassVar[tuple[str, ...]] = ("name",)
    assets: ClassVar[tuple[str, ...]] = ()
    tags: ClassVar[tuple[str, ...]] = ("infonoise", "diffusion")
    use: ClassVar[str] = "sample model"

    def __init__(self, interface: Interface) -> None:
        self.interface = interface

    # Data

    @abstractmethod
    def load(self, source: str, options: Options) -> Data:
        """All splits of the data that a user names, the same ones for the same files.

        Raises:
            InputError: Names what is wrong with them.
        """

    @abstractmethod
    def summary(self, data: Data) -> dict[str, Any]:
        """Name, sizes and kinds as plain JSON values, `name` among them.

        Data for which anything but the `labels` differs are other data.
        """

    @abstractmethod
    def fingerprint(self, data: Data) -> str:
        """A digest of the examples' content, whatever the files are called."""

    def alike(self, known: str, found: str) -> bool:
        """Whether two fingerprints are of the same data."""
        return known == found

    def difference(
        self, key: str, known: Mapping[str, Any], found: Mapping[str, Any], run: Path
    ) -> str:
        """Words about data that are not those of a run: what differs, and what to do.

        Args:
            key: Of the first entry of the summaries that differs.
            known: The summary of the run's data.
            found: That of the data.
            run: The run's folder.
        """
        return f"whose {key} is {known[key]} and not {found[key]}; give the same ones with --data"

    def settled(self, options: Options, data: Data, begun: Mapping[str, Any]) -> Options:
        """The options with a value for each that was left out and the data decide.

        Args:
            begun: config.json of the run that is to go on, which keeps what it has; else nothing.
        """
        return options

    def about(self, data: Data) -> str:
        """The data in a few words, for the first line of a training."""
        return str(self.summary(data)["name"])

    # Training

    @abstractmethod
    def schedule_context(self, data: Data, options: Options, steps: int) -> ScheduleContext:
        """What a schedule of that many steps is made for: channel, weight, priors."""

    def schedules(self, data: Data, options: Options) -> Callable[[str, int], Schedule]:
        """What makes a schedule, given its name and the number of steps."""
        from infonoise_core.schedules.registry import make_schedule

        context = self.schedule_context(data, options, 1000)
        return lambda name, steps: make_schedule(name, replace(context, steps=steps))

    def without_levels(self, options: Options) -> str:
        """What has no noise levels for a schedule to draw, and what has; else empty."""
        return ""

    @abstractmethod
    def task(self, data: Data, options: Options, seed: int) -> Task:
        """The training examples with a freshly initialised network, the same for the same seed."""

    @abstractmethod
    def evaluation(self, data: Data, options: Options) -> Evaluation:
        """Measures on held-out examples while training goes on."""

    def beside(self, data: Data, options: Options) -> list[str]:
        """Lines after the last measures of a training: what they stand beside."""
        return []

    def references(self, data: Data, options: Options) -> Mapping[str, float]:
        """What `compare` shows beside its schedules: name -> the first measure of `evaluation`."""
        return {}

    def model_settings(self, data: Data, options: Options) -> dict[str, Any]:
        """What `rebuild` needs beyond the options, under their keys in config.json."""
        return {}

    def save_assets(self, data: Data, options: Options, folder: Path) -> None:
        """Write what has to lie beside the weights, such as a tokenizer; see `assets`."""
        return

    # Trained runs

    def other_model(self, path: Path, device: str) -> TrainedRun[Options] | None:
        """A model that `sample` can draw from though no `train` made it; None for a run.

        Raises:
            InputError: For a folder of several.
        """
        return None

    def as_today(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """A run's config.json as this version would write it; renamed options are core's care."""
        return settings

    def going_on(self, options: Options, begun: Mapping[str, Any]) -> Options:
        """What `train` is given, where it may go on with a run.

        An older version's run may have been begun with other defaults, which it keeps.

        Args:
            begun: The config.json in --out; nothing where no run is there.
        """
        return options

    def rate(self, options: Options) -> float:
        """The learning rate where none is given."""
        return RATE

    def check_begins(self, source: TrainedRun[Options], data: Data, options: Options) -> None:
        """InputError where the weights of `source`, which fit, mean something else for these data.

        Called where `train` begins with them, as --from says.
        """

    @abstractmethod
    def rebuild(self, settings: Mapping[str, Any], folder: Path) -> nn.Module:
        """The network of a run by its config.json and assets, without its weights."""

    @abstractmethod
    def samples(self, denoiser: nn.Module, data: Data, options: Options) -> Samples:
        """Some samples to look at, the same noise each time; needs no profile.

        Shown during training and in comparisons.
        """

    @abstractmethod
    def held_out_examples(self, data: Data, options: Options) -> Samples:
        """Real examples to look at beside `samples`."""

    @abstractmethod
    def generate(self, run: TrainedRun[Options], command: SampleOptions) -> str:
        """The verb `sample`: write what `command` says; returns a line about what was written.

        --out is free, by `check_out`. Nothing is written unless all is.
        """

    def check_out(self, command: SampleOptions) -> None:
        """InputError, before anything is computed, where `generate` cannot write --out."""
        from infonoise_core.files import check_output

        if command.out is not None:
            check_output(command.out, command.overwrite)

    @abstractmethod
    def evaluate(self, run: TrainedRun[Options], data: Data, command: EvaluateOptions) -> Evaluated:
        """The verb `evaluate`: the tables."""

    def check_evaluate(self, command: EvaluateOptions) -> None:
        """InputError, before anything is computed, for options that cannot be evaluated by."""

    def evaluates_files(self, command: EvaluateOptions) -> bool:
        """Whether `evaluate` is to measure samples that lie in files, whoever made them."""
        return False

    def evaluate_files(self, command: EvaluateOptions) -> Evaluated:
        """The verb `evaluate` of such samples; `command.run` is where they lie."""
        raise NotImplementedError

    def evaluation_file(self, command: EvaluateOptions) -> str:
        """Name of what `evaluate` writes into the run; `report` shows that of this name."""
        from infonoise_core.evaluation.schema import EVALUATION_FILE

        return EVALUATION_FILE

    def measures_profile(self, command: ProfileOptions) -> bool:
        """Whether the options of `profile` ask for something that `profile` has to measure."""
        return False

    def profile(self, run: TrainedRun[Options], command: ProfileOptions) -> None:
        """The verb `profile` where something is measured now, such as groups of coordinates.

        --out is checked and free.
        """
        raise NotImplementedError

    def report_samples(
        self, run: TrainedRun[Options], data: Data, command: ReportOptions
    ) -> dict[str, Samples]:
        """Caption -> samples of the page about a run."""
        what = self.interface.examples
        return {
            f"held-out {what}": self.held_out_examples(data, run.options),
            f"generated {what}": self.samples(run.denoiser, data, run.options),
        }

    def figures(
        self, run: TrainedRun[Options], data: Data, samples: Mapping[str, Samples]
    ) -> dict[str, str]:
        """Caption -> SVG: further pictures of the page about a run, with what it shows."""
        return {}

    @abstractmethod
    def card(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """Rows about a model for the page it is shared with, by a run's config.json."""
