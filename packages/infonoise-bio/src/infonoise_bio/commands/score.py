"""`infonoise-bio score`: likelihood bounds, from a stream of any length to a table."""

from collections.abc import Iterator

import torch

from infonoise_bio import options
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.sources import read_sources
from infonoise_bio.data.windows import fit
from infonoise_bio.domain import trained_of
from infonoise_bio.evaluation.score import Score, Scorer, write_scores
from infonoise_bio.interface import INTERFACE
from infonoise_core.app.trained import open_trained
from infonoise_core.errors import InputError
from infonoise_core.files import check_output
from infonoise_core.training.progress import Reporter, progress


def run_score(config: options.Score) -> None:
    """Read the file twice, first to check all of it: a mistake at its end is said at once."""
    check_output(config.out, config.overwrite)
    trained = trained_of(open_trained(INTERFACE.load(), config.run, config.device))
    model, objective = trained.denoiser.config, trained.objective
    label = None if config.label is None else model.conditions.label(config.label)
    scorer = Scorer(
        trained.denoiser,
        torch.tensor(model.frequencies, dtype=torch.float64),
        objective.sigma_min,
        objective.sigma_max,
        config.levels,
    )
    counts = Counts()
    total = 0
    for record in _windows(config, counts):
        scorer.check(record)
        total += 1
    if not total:
        raise InputError(
            f"{config.data}: no sequence is left ({'; '.join(counts.lines())}); give a smaller"
            " --window, or --shorter pad"
        )
    with progress(total, "score") as reporter:
        scores = scorer.score(_windows(config, Counts()), label, config.chunk)
        write_scores(config.out, _counted(scores, reporter))
    print(f"{config.out}: {total:,} scores")
    for line in counts.lines():
        print(f"  {line}")


def _windows(config: options.Score, counts: Counts) -> Iterator[Record]:
    return fit(read_sources(config.data, config.reading, counts), config.windowing, counts)


def _counted(scores: Iterator[Score], reporter: Reporter) -> Iterator[Score]:
    for score in scores:
        yield score
        reporter.advance()
