"""`infonoise-bio sample` and `infill`: new sequences, and old ones with parts redesigned."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.data.formats.fasta import write_fasta
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.templates import Change, Templates, read_templates
from infonoise_bio.methods.trained import TrainedRun, open_any, open_trained
from infonoise_bio.sampling.options import ConditionOptions, DnaSampler
from infonoise_bio.sampling.sequences import Condition, Progress, infill, records_of, write_designs
from infonoise_core.errors import InputError
from infonoise_core.files import check_output
from infonoise_core.training.progress import progress


@dataclass(frozen=True)
class SampleCommand:
    """Design new sequences with a trained run."""

    run: Positional[Path]
    """the --out of a train command; or of baselines, followed by /masked or /autoregressive"""
    out: Path
    """FASTA file to write"""
    n: int = 1000
    """how many sequences"""
    prefix: str = "design"
    """their names: design_1, design_2, ..."""
    overwrite: bool = False
    """replace the file --out"""
    condition: OmitArgPrefixes[ConditionOptions] = field(default_factory=ConditionOptions)
    sampler: OmitArgPrefixes[DnaSampler] = field(default_factory=DnaSampler)


@dataclass(frozen=True)
class Infill:
    """Redesign the marked parts of sequences and keep the rest."""

    run: Positional[Path]
    """the --out of a train command with --infill above 0"""
    templates: Positional[Path]
    """FASTA, GenBank or table of sequences as long as the model's"""
    out: Path
    """FASTA file to write"""
    change: Change = "n"
    """what may change: the letters N, lower-case bases, or those of a GenBank --feature; N always
    does"""
    each: int = 1
    """designs for each template"""
    overwrite: bool = False
    """replace the file --out"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)
    condition: OmitArgPrefixes[ConditionOptions] = field(default_factory=ConditionOptions)
    sampler: OmitArgPrefixes[DnaSampler] = field(default_factory=DnaSampler)


def run_sample(config: SampleCommand) -> None:
    """Write sequences as they come; the file is there when all are."""
    check_output(config.out, config.overwrite)
    _check_name(config.prefix)
    if config.n < 1:
        raise InputError(f"--n {config.n}: give at least 1")
    run = open_any(config.run, config.sampler.device)
    with progress(config.n, "sample") as reporter:
        chunks = run.sample(
            config.n,
            config.sampler,
            _condition(config.condition),
            lambda done, _: reporter.advance(done),
        )
        number = write_designs(config.out, chunks, config.prefix, config.condition.fields())
    print(f"{config.out}: {number:,} sequences of {run.length} bases")


def run_infill(config: Infill) -> None:
    """Write the completed templates, all or none."""
    check_output(config.out, config.overwrite)
    if config.each < 1:
        raise InputError(f"--each {config.each}: give at least 1")
    run = open_trained(config.run, config.sampler.device)
    if not run.objective.infill:
        raise InputError(
            f"{config.run}: was trained without bases that are given; train with --infill 0.5"
        )
    length = run.denoiser.config.length
    templates = read_templates(config.templates, config.reading, config.change, length)
    with progress(len(templates.ids) * config.each, "infill") as reporter:
        chunks = _completed(run, config, templates, lambda done, _: reporter.advance(done))
        records = records_of(chunks, templates.names(config.each), config.condition.fields())
        number = write_fasta(config.out, records)
    free = float((templates.codes == MASKED).mean())
    print(f"{config.out}: {number:,} sequences, {free:.0%} of their bases designed")


def _completed(
    run: TrainedRun, config: Infill, templates: Templates, done: Progress
) -> Iterator[Codes]:
    codes = np.repeat(templates.codes, config.each, axis=0)
    sampling = run.sampling(config.sampler)
    return infill(run.denoiser, codes, sampling, _condition(config.condition), done)


def _condition(options: ConditionOptions) -> Condition:
    return Condition(options.label, options.numbers())


def _check_name(prefix: str) -> None:
    if not prefix or prefix.split() != [prefix]:
        raise InputError(f"--prefix {prefix!r}: give a word without spaces")
