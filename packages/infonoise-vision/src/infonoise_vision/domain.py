"""Images as a domain: what core's verbs need to know of them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from infonoise_core.app.domain import Domain, Samples
from infonoise_core.app.options import (
    EvaluateOptions,
    ProfileOptions,
    ReportOptions,
    SampleOptions,
)
from infonoise_core.app.trained import TrainedRun, open_trained, options_of, refuse_others
from infonoise_core.evaluation.schema import Evaluated
from infonoise_core.schedules.fixed import Schedule
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_vision.data.fingerprint import alike, classed, describe, fingerprint, pair_channels
from infonoise_vision.data.images import Parts
from infonoise_vision.data.latents import refuse_other_code
from infonoise_vision.evaluation.given.files import check_command, evaluate_files
from infonoise_vision.evaluation.held_out import ImageEvaluation, evaluation_of
from infonoise_vision.evaluation.nearest import nearest_page
from infonoise_vision.evaluation.profile import check_picture, show_births, show_gap, show_groups
from infonoise_vision.evaluation.tables import evaluate
from infonoise_vision.interface import INTERFACE
from infonoise_vision.methods.diffusion import (
    ImageTask,
    denoiser_of,
    load,
    make_task,
    schedule_context,
)
from infonoise_vision.methods.options import ImageOptions
from infonoise_vision.methods.settled import formerly, settled
from infonoise_vision.methods.staged import in_stages, make_staged_task
from infonoise_vision.models import theirs
from infonoise_vision.sampling.examples import examples, page_examples, real_examples
from infonoise_vision.sampling.guide import with_guide
from infonoise_vision.sampling.images import check_out
from infonoise_vision.sampling.trained import ImageRun
from infonoise_vision.sampling.write import write_samples

Run = TrainedRun[ImageOptions]


class ImageDomain(Domain[Parts, ImageOptions]):
    """Images of one size, of any number of channels, by EDM's objective."""

    summary_key = "images"
    tags = ("infonoise", "diffusion", "images", "unconditional-image-generation")
    use = "sample model --out images.png"

    def load(self, source: str, options: ImageOptions) -> Parts:
        """Training and held-out images."""
        return load(options.objective, source)

    def summary(self, data: Parts) -> dict[str, Any]:
        """Name, shape, grey levels, numbers and classes."""
        return describe(data.train, data.held_out)

    def fingerprint(self, data: Parts) -> str:
        """Numbers of some images of each part, the same for any scale."""
        return fingerprint(data.train, data.held_out)

    def alike(self, known: str, found: str) -> bool:
        """Whether two fingerprints are the same but for rounding."""
        return alike(known, found)

    def settled(self, options: ImageOptions, data: Parts, begun: Mapping[str, Any]) -> ImageOptions:
        """The unit of noise and the head, where the images decide; a run keeps its own."""
        own = begun.get("objective")
        own = own if isinstance(own, Mapping) else None
        return replace(options, objective=settled(options.objective, data.train, own))

    def about(self, data: Parts) -> str:
        """Numbers, shape and name."""
        images = data.train
        shape = "x".join(map(str, images.shape))
        held_out = f"{len(data.held_out)} held out{classed(images.classes)}"
        return f"{len(images)} images {shape} of {images.name}, {held_out}"

    def schedule_context(self, data: Parts, options: ImageOptions, steps: int) -> ScheduleContext:
        """EDM's channel and weight, with the priors of pixels and of cosine coefficients."""
        return schedule_context(options.objective, steps, data.train)

    def schedules(self, data: Parts, options: ImageOptions) -> Callable[[str, int], Schedule]:
        """By name and number of steps; of a run in stages, with its shares of them."""
        make = super().schedules(data, options)
        if not options.objective.staged:
            return make
        return lambda name, steps: in_stages(make(name, steps), options.objective, data.train)

    def task(self, data: Parts, options: ImageOptions, seed: int) -> ImageTask:
        """The training images with a fresh network."""
        if options.objective.staged:
            return make_staged_task(options.objective, data.train, seed)
        return make_task(options.objective, data.train, seed)

    def evaluation(self, data: Parts, options: ImageOptions) -> ImageEvaluation:
        """Bits per dim and energy distance; InputError for a --held-out that says nothing."""
        data.refuse_void(options.objective.held_out)
        return evaluation_of(
            options.objective, data.train, data.held_out, watching=options.watching
        )

    def model_settings(self, data: Parts, options: ImageOptions) -> dict[str, Any]:
        """Settings of a network of Diffusers, whose file may go."""
        name = options.objective.network
        return {theirs.KEY: theirs.settings_of(name)} if theirs.is_theirs(name) else {}

    def as_today(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Runs from before --held-out held a fifth out; before --network-format that was 1."""
        return {**settings, "objective": {**formerly(settings), **settings["objective"]}}

    def going_on(self, options: ImageOptions, begun: Mapping[str, Any]) -> ImageOptions:
        """An older run goes on with what was the default then."""
        objective = begun.get("objective")
        if not isinstance(objective, dict):
            return options
        missing = {k: v for k, v in formerly(begun).items() if k not in objective}
        if options.objective.held_out is not None:
            missing.pop("held_out", None)
        return replace(options, objective=replace(options.objective, **missing))

    def check_begins(self, source: Run, data: Parts, options: ImageOptions) -> None:
        """InputError for a run in stages, whose levels are those of its own images.

        So for another scheduler of Diffusers, and for latents of another autoencoder.
        """
        if theirs.is_theirs(name := options.objective.network):
            theirs.refuse_other(source.settings.get(theirs.KEY), name, source.path)
        refuse_other_code(source.settings[self.summary_key], data.train, source.path)
        if options.objective.staged:
            refuse_others(self, source.settings[self.summary_key], data, "--from", source.path)

    def rebuild(self, settings: Mapping[str, Any], folder: Path) -> nn.Module:
        """The network for images of the run's shape and number of classes."""
        images = settings[self.summary_key]
        c, h, w = images["shape"]
        classes = len(images.get("classes", ()))
        objective = options_of(self, settings).objective
        kept = settings.get(theirs.KEY)
        return denoiser_of(
            objective, (c, h, w), classes, 0, images.get("levels"),
            theirs=kept, pair=pair_channels(images),
        )  # fmt: skip

    def samples(self, denoiser: nn.Module, data: Parts, options: ImageOptions) -> Samples:
        """A grid of generated images, or of held-out ones completed."""
        return examples(options.objective, data.held_out, len(data.train.classes), denoiser)

    def held_out_examples(self, data: Parts, options: ImageOptions) -> Samples:
        """A grid of held-out images."""
        return real_examples(data.held_out, options.objective)

    def check_out(self, command: SampleOptions) -> None:
        """InputError for an --out that is no new PNG, archive or folder."""
        check_out(command.out, command.overwrite, archive=True)

    def generate(self, run: Run, command: SampleOptions) -> str:
        """New images, in a grid, a folder or an archive."""
        return write_samples(
            with_guide(self, run, command.options.guiding, command.sampler), command
        )

    def check_evaluate(self, command: EvaluateOptions) -> None:
        """InputError for what cannot be measured as the options say."""
        check_command(command)

    def evaluates_files(self, command: EvaluateOptions) -> bool:
        """With --against."""
        return command.options.against is not None

    def evaluate_files(self, command: EvaluateOptions) -> Evaluated:
        """Images in files against real ones."""
        return evaluate_files(command)

    def evaluate(self, run: Run, data: Parts, command: EvaluateOptions) -> Evaluated:
        """The likelihood bound, and distances of generated from real images."""
        guided = with_guide(self, run, command.options.guiding, command.sampler)
        return evaluate(guided, data, command)

    def measures_profile(self, command: ProfileOptions) -> bool:
        """With --by, --births and --gap."""
        extras = command.options
        if extras.by is None and not (extras.gap or extras.births):
            return False
        check_picture(command)
        return True

    def profile(self, run: Run, command: ProfileOptions) -> None:
        """The error by bands or channels, or what the condition takes away of it."""
        images = ImageRun.of(run)
        show = show_gap if command.options.gap else show_groups
        show = show_births if command.options.births else show
        show(images, images_of(images, command.options.data).held_out, command)

    def report_samples(self, run: Run, data: Parts, command: ReportOptions) -> dict[str, Samples]:
        """Held-out and generated images, and training images near to these."""
        images = ImageRun.of(run)
        found: dict[str, Samples] = {}
        pictures, x0 = page_examples(images, data.held_out, command.sampler)
        found |= pictures
        if images.objective.condition in (None, "label"):
            found |= nearest_page(images, data, x0)
        return found

    def card(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """Images, network, classes and condition."""
        images, objective = settings[self.summary_key], settings["objective"]
        shape = "x".join(map(str, images["shape"]))
        rows = {
            "images": f"{number:,}, {shape}" if (number := images.get("train")) else shape,
            "network": objective["network"],
        }
        if objective["conditional"]:
            rows["classes"] = ", ".join(images["classes"])
        if objective["condition"] is not None:
            rows["condition"] = objective["condition"]
        return rows


DOMAIN = ImageDomain(INTERFACE)


def open_run(path: Path, device: str = "auto") -> ImageRun:
    """The run in a folder, by its --out; InputError where there is none."""
    return ImageRun.of(open_trained(DOMAIN, path, device))


def images_of(run: ImageRun, source: str | None = None) -> Parts:
    """The images of a run, from `source` where they have moved; InputError for other images."""
    source = source or str(run.settings["data"])
    data = load(run.objective, source)
    refuse_others(DOMAIN, run.settings[ImageDomain.summary_key], data, source, run.path)
    return data
