"""DNA as core's verbs see it: `infonoise_core.app.domain.Domain`, filled in."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from infonoise_bio.alphabet import Codes, designs_of
from infonoise_bio.data.formats.fasta import check_fasta
from infonoise_bio.data.formats.textfile import stem_of
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.chains import chain_lines, reference_bits
from infonoise_bio.evaluation.measures import Subject, evaluate_run
from infonoise_bio.evaluation.options import EvaluateExtras, ProfileExtras
from infonoise_bio.evaluation.pictures import figures
from infonoise_bio.evaluation.profile import measured_profile, profile_lines, write_profile
from infonoise_bio.examples import bases_in, describe, load_examples, parts
from infonoise_bio.methods.base import Trained
from infonoise_bio.methods.diffusion import sampling_of
from infonoise_bio.methods.folders import is_of_baselines, stopped_at
from infonoise_bio.methods.options import DnaOptions
from infonoise_bio.methods.recipe import encoding_of, model_config, schedule_context
from infonoise_bio.methods.registry import BASELINES, DIFFUSION
from infonoise_bio.methods.towards import generate_towards
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.denoiser import BaseDenoiser, of_length
from infonoise_bio.sampling.options import SampleExtras
from infonoise_bio.sampling.sequences import (
    Condition,
    Sampling,
    design,
    far_from_training,
    write_designs,
)
from infonoise_core.app.domain import Domain, Samples
from infonoise_core.app.options import (
    EvaluateOptions,
    ProfileOptions,
    ReportOptions,
    SampleOptions,
)
from infonoise_core.app.trained import TrainedRun, data_of, options_of
from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.evaluation.schema import Evaluated
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_core.shown import amount
from infonoise_core.training.data.fingerprint import fingerprint
from infonoise_core.training.engines.ranks import pick_device
from infonoise_core.training.progress import progress
from infonoise_core.training.record.weights import load_denoiser
from infonoise_core.training.run_folder import read_run
from infonoise_core.training.task import Task

# Held-out sequences of the evaluations while training goes on; `evaluate` takes all.
MEASURED = 512
# Sequences that are looked at, and noise levels of those that are drawn during training: on the
# same grid whatever schedule draws, so that only the network differs.
SHOWN, _LEVELS = 12, 24
# Sequences behind the logos of a run's page.
_DRAWN = 500


class DnaDomain(Domain[SequenceSet, DnaOptions]):
    """Sequences of one length and what is learned of them."""

    summary_key = "sequences"
    tags = ("infonoise", "diffusion", "biology", "DNA")
    use = "sample model --out designs.fa"

    def load(self, source: str, options: DnaOptions) -> SequenceSet:
        return load_examples(options.examples, source)

    def summary(self, data: SequenceSet) -> dict[str, Any]:
        return describe(data)

    def fingerprint(self, data: SequenceSet) -> str:
        """Of what is learned from and held out, in its order; ids do not count."""
        names = ["codes", "split", "labels", "numbers"]
        names += [] if data.lengths is None else ["lengths"]
        return fingerprint((name, getattr(data, name)) for name in names)

    def about(self, data: SequenceSet) -> str:
        training = data.part("train")
        return (
            f"{len(training):,} sequences of {bases_in(describe(data))} from {data.source}:"
            f" {'; '.join(data.notes)}"
        )

    # Training

    def settled(
        self, options: DnaOptions, data: SequenceSet, begun: Mapping[str, Any]
    ) -> DnaOptions:
        """The loss: cross entropy, and of a run its own."""
        own = begun.get("objective")
        own = own if isinstance(own, Mapping) else None
        return replace(options, objective=options.objective.settled(own))

    def schedule_context(
        self, data: SequenceSet, options: DnaOptions, steps: int
    ) -> ScheduleContext:
        return schedule_context(options.objective, steps, parts(data, "val")[0])

    def task(self, data: SequenceSet, options: DnaOptions, seed: int) -> Task:
        return DIFFUSION.task(options.objective, parts(data, "val")[0], seed)

    def evaluation(self, data: SequenceSet, options: DnaOptions) -> Evaluation:
        """Bits per base of at most MEASURED held-out sequences, the same ones for the same data."""
        training, held_out = _measured(data)
        return DIFFUSION.evaluation(options.objective, training, held_out)

    def beside(self, data: SequenceSet, options: DnaOptions) -> list[str]:
        """Markov chains on the same held-out sequences."""
        return chain_lines(*_measured(data))

    def references(self, data: SequenceSet, options: DnaOptions) -> dict[str, float]:
        """Markov chains on the same held-out sequences."""
        return reference_bits(*_measured(data))

    def model_settings(self, data: SequenceSet, options: DnaOptions) -> dict[str, Any]:
        return {"model": model_config(options.objective, parts(data, "val")[0]).to_dict()}

    # Trained runs

    def rebuild(self, settings: Mapping[str, Any], folder: Path) -> nn.Module:
        method = BASELINES.get(str(settings.get("method")), DIFFUSION)
        objective = options_of(self, settings).objective
        return method.network(
            ModelConfig.from_dict(settings["model"]), encoding_of(objective), seed=0
        )

    def other_model(self, path: Path, device: str) -> TrainedRun[DnaOptions] | None:
        """A model of `baselines`, by its folder in theirs."""
        if is_of_baselines(path):
            folders = " or ".join(str(path / name) for name in BASELINES)
            raise InputError(f"{path} holds several models: give {folders}")
        if path.name not in BASELINES or not is_of_baselines(path.parent):
            return None
        settings = {**read_run(path.parent), "method": path.name}
        if "model" not in settings:
            raise InputError(f"{path.parent}: its settings say nothing of the model; train again")
        denoiser = self.rebuild(settings, path)
        step = load_denoiser(path, denoiser, stopped_at(path))
        denoiser.to(pick_device(device)).eval()
        return TrainedRun(path, settings, options_of(self, settings), denoiser, None, step)

    def samples(self, denoiser: nn.Module, data: SequenceSet, options: DnaOptions) -> Samples:
        objective = options.objective
        grid = karras_grid(_LEVELS, objective.sigma_min, objective.sigma_max)
        (codes,) = design(bases_of(denoiser), SHOWN, Sampling(grid))
        return _text(codes)

    def held_out_examples(self, data: SequenceSet, options: DnaOptions) -> Samples:
        return _text(parts(data, "val")[1].codes)

    def check_out(self, command: SampleOptions) -> None:
        check_fasta(command.out, command.overwrite)

    def generate(self, run: TrainedRun[DnaOptions], command: SampleOptions) -> str:
        extras: SampleExtras = command.options
        method = BASELINES.get(str(run.settings.get("method")), DIFFUSION)
        condition = Condition(extras.condition.label, extras.condition.numbers())
        trained = trained_of(run)
        trained = replace(trained, denoiser=of_length(trained.denoiser, extras.length))
        model = trained.denoiser.config
        condition.rows(trained.denoiser)  # refused before anything is drawn
        for line in far_from_training(condition, trained.denoiser):
            print(line)
        if extras.wishes:
            if method is not DIFFUSION:
                raise InputError(
                    f"{run.path}: --oracle, --place, --gc, --power and --temperature"
                    " are for runs of train"
                )
            if model.lengths is not None:
                raise InputError(
                    f"{run.path}: its sequences differ in length; give --length, such as"
                    f" {model.length}, with --oracle, --place, --gc, --power or --temperature"
                )
            return generate_towards(trained, condition, command)
        with progress(command.samples, "sample") as reporter:
            chunks = method.sample(
                trained, command.samples, command.sampler, condition,
                lambda done, _: reporter.advance(done),
            )  # fmt: skip
            fields = extras.condition.fields()
            number = write_designs(command.out, chunks, extras.prefix, fields)
        bases = f"{model.length} bases"
        if model.lengths is not None:
            bases = f"{model.lengths.lengths[0]} to {bases}, as training had them"
        return f"{command.out}: {amount(number, 'sequence')} of {bases}"

    def evaluate(
        self, run: TrainedRun[DnaOptions], data: SequenceSet, command: EvaluateOptions
    ) -> Evaluated:
        objective, trained = run.options.objective, trained_of(run)
        extras: EvaluateExtras = command.options
        own = extras.designs is None
        subject = Subject(
            trained.denoiser, objective.strand, objective.sigma_min, objective.sigma_max,
            sampling_of(trained, command.sampler) if own else None,
        )  # fmt: skip
        training, held_out = parts(data, command.split)
        return evaluate_run(subject, training, held_out, command.samples, extras)

    def check_evaluate(self, command: EvaluateOptions) -> None:
        if command.samples < 20:
            raise InputError(f"--samples {command.samples}: give at least 20")

    def evaluation_file(self, command: EvaluateOptions) -> str:
        """Designs from elsewhere are no measures of the run: a file of their own."""
        extras: EvaluateExtras = command.options
        if extras.designs is None:
            return super().evaluation_file(command)
        return f"evaluation-{stem_of(extras.designs)[0]}.json"

    def measures_profile(self, command: ProfileOptions) -> bool:
        extras: ProfileExtras = command.options
        return extras.by is not None

    def profile(self, run: TrainedRun[DnaOptions], command: ProfileOptions) -> None:
        extras: ProfileExtras = command.options
        by, objective, out = extras.by or "position", run.options.objective, command.out
        _, held_out = parts(data_of(self, run, extras.data), "test")
        channel = VarianceExploding(objective.sigma_min, objective.sigma_max)
        grouped = measured_profile(bases_of(run.denoiser), held_out, channel, by, extras.draws)
        if out is not None:
            write_profile(out, grouped, by, overwrite=command.overwrite)
        print("\n".join(profile_lines(grouped, by, run.profile)))
        if out is not None:
            print(f"{out}: written")

    def report_samples(
        self, run: TrainedRun[DnaOptions], data: SequenceSet, command: ReportOptions
    ) -> dict[str, Samples]:
        codes = parts(data, "test")[1].codes
        sampling = sampling_of(trained_of(run), command.sampler)
        drawn = design(bases_of(run.denoiser), min(_DRAWN, len(codes)), sampling)
        self._sets = {"held out": codes[:_DRAWN], "generated": np.concatenate(list(drawn))}
        return {name: _text(part) for name, part in self._sets.items()}

    def figures(
        self, run: TrainedRun[DnaOptions], data: SequenceSet, samples: Mapping[str, Samples]
    ) -> dict[str, str]:
        """Logos and composition of the sequences that `report_samples` has drawn."""
        return figures.of_sets(self._sets)

    def card(self, settings: Mapping[str, Any]) -> dict[str, str]:
        sequences, objective = settings["sequences"], settings["objective"]
        rows = {
            "sequences": f"{sequences['train']:,}, of {bases_in(sequences)}",
            "strand": objective["strand"],
            "encoding": objective["encoding"],
            "network": f"{objective['network']}, {objective['size']}",
        }
        named = {"classes": sequences["classes"], "numbers": sequences["numbers"]}
        return {**rows, **{name: ", ".join(values) for name, values in named.items() if values}}


def bases_of(denoiser: nn.Module) -> BaseDenoiser:
    """A network of `DnaDomain.rebuild` or of its task, by its type."""
    if not isinstance(denoiser, BaseDenoiser):
        raise TypeError(f"{type(denoiser).__name__} where a BaseDenoiser was trained")
    return denoiser


def trained_of(run: TrainedRun[DnaOptions]) -> Trained:
    """What sampling takes of a run."""
    return Trained(run.options.objective, bases_of(run.denoiser), run.profile)


def _measured(data: SequenceSet) -> tuple[SequenceSet, SequenceSet]:
    """The training sequences, and those that are measured while training goes on."""
    training, held_out = parts(data, "val")
    if len(held_out) > MEASURED:
        rows = np.random.default_rng(0).permutation(len(held_out))[:MEASURED]
        held_out = held_out.take(np.sort(rows))
    return training, held_out


def _text(codes: Codes) -> str:
    return "\n".join(designs_of(np.asarray(codes[:SHOWN])))
