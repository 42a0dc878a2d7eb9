"""What `sample` does where sequences shall have letters, a share of GC or a high score."""

from collections.abc import Iterator, Mapping

import torch

from infonoise_bio.alphabet import letters_of
from infonoise_bio.data.formats.fasta import write_fasta
from infonoise_bio.data.formats.record import Record
from infonoise_bio.evaluation.oracles.goals import load_goal
from infonoise_bio.methods.base import Trained
from infonoise_bio.methods.diffusion import sampling_of
from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.sampling.constraints import check_gc, parse_gc, placed
from infonoise_bio.sampling.goals.designs import Outcome, Wish, designs
from infonoise_bio.sampling.goals.product import Factor, check_powers
from infonoise_bio.sampling.goals.tilted import Tilt
from infonoise_bio.sampling.options import SampleExtras
from infonoise_bio.sampling.sequences import Condition
from infonoise_core.app.options import SampleOptions
from infonoise_core.errors import InputError
from infonoise_core.shown import amount
from infonoise_core.training.progress import progress


def wish_of(extras: SampleExtras, denoiser: BaseDenoiser) -> Wish:
    """The options of a command, for the sequences of a model."""
    length = denoiser.config.length
    letters = placed(extras.place, length) if extras.place else None
    allowed = None if letters is None else torch.from_numpy(letters).T
    if extras.gc is not None and letters is not None:
        check_gc(extras.gc, letters)
    goal = None if extras.oracle is None else load_goal(extras.oracle, extras.maximise)
    tilt = Tilt(goal, extras.strength, extras.gradients, allowed)
    gc = None if extras.gc is None else parse_gc(extras.gc)
    return Wish(tilt, extras.particles, gc, _factors(extras, denoiser))


def _factors(extras: SampleExtras, denoiser: BaseDenoiser) -> tuple[Factor, ...]:
    """The laws that are multiplied; none where neither --power nor --temperature is given."""
    if not extras.is_product:
        return ()
    powers: Mapping[str | None, float] = {name or None: p for name, p in extras.powers().items()}
    powers = powers or {extras.condition.label: 1.0}
    check_powers(list(powers.values()))
    return tuple(
        Factor(Condition(label).rows(denoiser), power / extras.temperature)
        for label, power in powers.items()
    )


def generate_towards(trained: Trained, condition: Condition, command: SampleOptions) -> str:
    """Write the sequences and say what came of the wish.

    Raises:
        InputError: Where the wish cannot be, or guidance is to go along with a goal.
    """
    extras: SampleExtras = command.options
    if extras.oracle is not None and command.sampler.guidance != 1:
        raise InputError("--guidance with --oracle: a goal has the strength; leave out one of them")
    if extras.is_product and command.sampler.guidance != 1:
        raise InputError("--guidance with --power or --temperature: leave out one of them")
    denoiser, outcome = trained.denoiser, Outcome()
    wish = wish_of(extras, denoiser)
    sampling = sampling_of(trained, command.sampler)
    with progress(command.samples, "sample") as reporter:
        found = designs(
            denoiser, command.samples, sampling, condition, wish, outcome,
            lambda done, _: reporter.advance(done),
        )  # fmt: skip

        def records() -> Iterator[Record]:
            number = 0
            for codes, scores in found:
                for i, letters in enumerate(letters_of(codes)):
                    number += 1
                    name = f"{extras.prefix}_{number}"
                    score = {} if scores is None else {"score": f"{scores[i]:.6g}"}
                    fields = {**extras.condition.fields(), **score}
                    yield Record(name, letters.encode(), fields, name)

        number = write_fasta(command.out, records())
    first = f"{command.out}: {amount(number, 'sequence')} of {denoiser.config.length} bases"
    return "\n  ".join([first, *outcome.lines()])
