"""`infonoise-bio infill`: sequences with parts redesigned."""

import numpy as np

from infonoise_bio.data.formats.fasta import check_fasta, write_fasta
from infonoise_bio.data.templates import read_templates
from infonoise_bio.domain import trained_of
from infonoise_bio.interface import INTERFACE
from infonoise_bio.methods.diffusion import sampling_of
from infonoise_bio.options import Infill
from infonoise_bio.sampling.sequences import Condition, infill, records_of
from infonoise_core.app.trained import open_trained
from infonoise_core.errors import InputError
from infonoise_core.shown import amount
from infonoise_core.training.progress import progress


def run_infill(config: Infill) -> None:
    """Write the completed templates, all or none."""
    check_fasta(config.out, config.overwrite)
    trained = trained_of(open_trained(INTERFACE.load(), config.run, config.sampler.device))
    if not trained.objective.infill:
        raise InputError(
            f"{config.run}: was trained without bases that are given; train with --infill 0.5"
        )
    model = trained.denoiser.config
    templates = read_templates(
        config.templates, config.reading, config.change, model.length,
        shorter=model.lengths is not None,
    )  # fmt: skip
    codes = np.repeat(templates.codes, config.each, axis=0)
    allowed, lengths = templates.allowed, templates.lengths
    if allowed is not None:
        allowed = np.repeat(allowed, config.each, axis=0)
    if lengths is not None:
        lengths = np.repeat(lengths, config.each)
    condition = Condition(config.condition.label, config.condition.numbers())
    with progress(len(codes), "infill") as reporter:
        chunks = infill(
            trained.denoiser, codes, sampling_of(trained, config.sampler), condition,
            lambda done, _: reporter.advance(done), allowed, lengths,
        )  # fmt: skip
        records = records_of(chunks, templates.names(config.each), config.condition.fields())
        number = write_fasta(config.out, records)
    print(
        f"{config.out}: {amount(number, 'sequence')}, {templates.free:.0%} of their bases designed"
    )
