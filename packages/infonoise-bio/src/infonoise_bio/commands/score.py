"""`infonoise-bio score`: likelihood bounds, of sequences, their bases, or of alleles."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TypeVar

import torch

from infonoise_bio import options
from infonoise_bio.data.alleles import alleles, variants_by_chromosome
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.formats.textfile import check_unpacked
from infonoise_bio.data.sources import read_sources
from infonoise_bio.data.windows import fit
from infonoise_bio.domain import trained_of
from infonoise_bio.evaluation.scores.effects import (
    Pair,
    effects,
    of_alleles,
    of_neighbours,
    write_effects,
)
from infonoise_bio.evaluation.scores.score import Scorer, write_scores
from infonoise_bio.evaluation.scores.track import LOGOS, base_bits, draw_logos, write_track
from infonoise_bio.interface import INTERFACE
from infonoise_core.app.trained import open_trained
from infonoise_core.errors import InputError
from infonoise_core.files import check_output
from infonoise_core.shown import amount
from infonoise_core.training.progress import Reporter, progress

T = TypeVar("T")


def run_score(config: options.Score) -> None:
    """Read the file twice, first to check all of it: a mistake at its end is said at once."""
    for out in (config.out, config.track, config.logo):
        if out is not None:
            check_output(out, config.overwrite)
            check_unpacked(out)
    trained = trained_of(open_trained(INTERFACE.load(), config.run, config.device))
    model, objective = trained.denoiser.config, trained.objective
    label = None if config.label is None else model.conditions.label(config.label)
    frequencies = torch.tensor(model.frequencies, dtype=torch.float64)
    scorer = Scorer(
        trained.denoiser, frequencies, objective.sigma_min, objective.sigma_max, config.levels
    )
    counts = Counts()
    if config.vcf is not None or config.pairs:
        total = _score_changes(config, scorer, label, counts)
    else:
        total = _score_sequences(config, scorer, label, counts)
    print(f"{config.out}: {amount(total, 'score')}")
    for line in counts.lines():
        print(f"  {line}")


def _score_sequences(
    config: options.Score, scorer: Scorer, label: int | None, counts: Counts
) -> int:
    total = 0
    for record in _windows(config, scorer, counts):
        scorer.check(record)
        total += 1
    _check_some(total, config, counts)
    with progress(total, "score") as reporter:
        scores = scorer.score(_windows(config, scorer, Counts()), label, config.chunk)
        write_scores(config.out, _counted(scores, reporter))
    if config.track is not None:
        with progress(total, "track") as reporter:
            bits = base_bits(scorer, _windows(config, scorer, Counts()), label, config.chunk)
            write_track(config.track, _counted(bits, reporter))
    if config.logo is not None:
        some = islice(_windows(config, scorer, Counts()), LOGOS)
        cost = -torch.tensor(scorer.denoiser.config.frequencies).double().log2().numpy()
        found = list(base_bits(scorer, some, label))
        draw_logos(config.logo, found, cost, overwrite=config.overwrite)
    return total


def _score_changes(config: options.Score, scorer: Scorer, label: int | None, counts: Counts) -> int:
    total = 0
    for pair in _pairs(config, scorer, counts):
        scorer.check(pair.reference)
        scorer.check(pair.alternative)
        total += 1
    _check_some(total, config, counts)
    with progress(total, "score") as reporter:
        found = effects(scorer, _pairs(config, scorer, Counts()), label, config.chunk)
        return write_effects(config.out, _counted(found, reporter), variants=config.vcf is not None)


def _pairs(config: options.Score, scorer: Scorer, counts: Counts) -> Iterator[Pair]:
    reading, length = config.reading, scorer.denoiser.config.length
    if config.vcf is None or reading.genome is None:
        return of_neighbours(_windows(config, scorer, counts))
    variants = variants_by_chromosome(config.vcf, reading, counts)
    return of_alleles(alleles(variants, reading.genome, length, reading.edge, counts))


def _check_some(total: int, config: options.Score, counts: Counts) -> None:
    if not total:
        what = "; ".join(counts.lines())
        if config.vcf is not None:
            raise InputError(f"{config.vcf}: no allele is left ({what}); give --edge mask")
        raise InputError(
            f"{config.data}: no sequence is left ({what}); give a smaller --window, or --shorter"
            " pad"
        )


def _windows(config: options.Score, scorer: Scorer, counts: Counts) -> Iterator[Record]:
    several = scorer.denoiser.config.lengths is not None
    windowing = config.windowing
    if several and windowing.window is None:
        windowing = replace(windowing, lengths="as-they-are")
    return fit(read_sources(config.data, config.reading, counts), windowing, counts)


def _counted(found: Iterable[T], reporter: Reporter) -> Iterator[T]:
    for one in found:
        yield one
        reporter.advance()
