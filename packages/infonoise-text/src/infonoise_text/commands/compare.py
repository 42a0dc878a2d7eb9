"""`infonoise-text compare`: the same network under several schedules, on the user's text."""

from dataclasses import dataclass, field

from torch import nn
from tyro.conf import OmitArgPrefixes, Positional

import infonoise_text
from infonoise_core.app.compare import Subject, compare, scheduler
from infonoise_core.app.options import CompareConfig
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.training.run_folder import run_settings
from infonoise_text.data.open import describe, open_corpus
from infonoise_text.data.options import EMBEDDED, CorpusOptions
from infonoise_text.data.windows import held_out_windows
from infonoise_text.evaluation.quality import texts_of
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.bits import Bits
from infonoise_text.methods.options import Objective
from infonoise_text.models.denoiser import SIGMA_LAST
from infonoise_text.sampling.text import generate_ids

COMMAND = "infonoise-text compare"
SHOWN = 6
# Noise levels of the solver for the text that is shown.
_LEVELS = 64


@dataclass(frozen=True)
class Compare:
    """Train the same network under several schedules and report which needs how many updates."""

    data: Positional[str] = EMBEDDED
    """prepared folder, text file or folder, archive, hf:NAME, or pydoc (the documentation inside
    Python)"""
    corpus: OmitArgPrefixes[CorpusOptions] = field(default_factory=CorpusOptions)
    comparison: OmitArgPrefixes[CompareConfig] = field(
        default_factory=lambda: CompareConfig(batch_size=32)
    )
    objective: OmitArgPrefixes[Objective] = field(default_factory=lambda: Objective(length=32))


def run_compare(config: Compare) -> None:
    """Train under every schedule; write report.html and results.json, print the table."""
    objective = config.objective
    corpus = open_corpus(config.data, config.corpus, semantic=objective.codes == "semantic")
    method, train = Bits(objective, Assets.of(corpus, objective)), corpus.split("train")

    def samples(denoiser: nn.Module) -> str:
        # Schedules that learn nothing have no profile: the same grid for all.
        sigmas = karras_grid(_LEVELS, SIGMA_LAST, objective.sigma_max)
        found = generate_ids(denoiser, method.codes, SHOWN, objective.length, sigmas)
        return _shown(texts_of(corpus.tokenizer, found.ids))

    held_out = held_out_windows(corpus.split("valid"), objective.length, SHOWN)
    settings = run_settings(COMMAND, config)
    subject = Subject(
        about=describe(corpus),
        make_schedule=scheduler(method.schedule_context(train, 1000)),
        make_task=lambda seed: method.task(train, method.network(seed)),
        evaluation=method.evaluation(corpus.split("valid")),
        samples=samples,
        settings={k: v for k, v in settings.items() if k != "comparison"},
        versions={"infonoise-text": infonoise_text.__version__},
        real={"held-out text": _shown(texts_of(corpus.tokenizer, held_out))},
    )
    compare(subject, config.comparison)


def _shown(texts: list[str]) -> str:
    return "\n-----\n".join(texts)
