"""`infonoise-bio score`: likelihood bounds, from a stream of any length to a table."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.open import read_source
from infonoise_bio.data.options import Windowing
from infonoise_bio.data.windows import fit
from infonoise_bio.evaluation.score import Score, Scorer, write_scores
from infonoise_bio.methods.trained import open_trained
from infonoise_core.errors import InputError
from infonoise_core.files import check_output
from infonoise_core.training.progress import Reporter, progress


@dataclass(frozen=True)
class ScoreCommand:
    """Write how probable each sequence is to a trained model: an upper bound on -log p."""

    run: Positional[Path]
    """the --out of a train command"""
    data: Positional[Path]
    """FASTA, GenBank, table or BED file; it may be larger than memory"""
    out: Path
    """table to write: id, bases, nats, bits per base and the standard error of the estimate"""
    label: str | None = None
    """the class they are scored as"""
    levels: int = 64
    """noise levels per sequence: four times as many halve the error"""
    chunk: int = 256
    """sequences at a time"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace the file --out"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)
    windowing: OmitArgPrefixes[Windowing] = field(default_factory=Windowing)


def run_score(config: ScoreCommand) -> None:
    """Read the file twice, first to check all of it: a mistake at its end is told at once."""
    check_output(config.out, config.overwrite)
    if config.chunk < 1:
        raise InputError(f"--chunk {config.chunk}: give at least 1")
    run = open_trained(config.run, config.device)
    model = run.denoiser.config
    label = None if config.label is None else model.conditions.label(config.label)
    scorer = Scorer(
        run.denoiser,
        torch.tensor(model.frequencies, dtype=torch.float64),
        run.objective.sigma_min,
        run.objective.sigma_max,
        config.levels,
    )
    counts = Counts()
    total = 0
    for record in _windows(config, counts):
        scorer.check(record)
        total += 1
    if not total:
        raise InputError(
            f"{config.data}: no sequence is left ({'; '.join(counts.lines())}); ask for less"
        )
    with progress(total, "score") as reporter:
        scores = scorer.score(_windows(config, Counts()), label, config.chunk)
        write_scores(config.out, _told(scores, reporter))
    print(f"{config.out}: {total:,} scores")
    for line in counts.lines():
        print(f"  {line}")


def _windows(config: ScoreCommand, counts: Counts) -> Iterator[Record]:
    return fit(read_source(config.data, config.reading, counts), config.windowing, counts)


def _told(scores: Iterator[Score], reporter: Reporter) -> Iterator[Score]:
    for score in scores:
        yield score
        reporter.advance()
