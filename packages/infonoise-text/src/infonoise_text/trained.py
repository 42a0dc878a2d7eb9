"""A trained run: its settings, its averaged network, and what it takes to use them.

A run keeps its tokenizer and its codes, so that it speaks without the corpus it was trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.profile import EntropyRateProfile
from infonoise_core.training.engine import pick_device
from infonoise_core.training.loop import load_denoiser
from infonoise_core.training.run import Evaluation, profile_if_any, read_run_of
from infonoise_core.training.sampling import SamplerConfig
from infonoise_text.baselines.table import BASELINES
from infonoise_text.codes import CodeBook
from infonoise_text.data import Corpus
from infonoise_text.evaluate import TextEvaluation
from infonoise_text.model import make_denoiser
from infonoise_text.network import preset
from infonoise_text.sample import SIGMA_LAST, Generated, generate_ids
from infonoise_text.source import CorpusOptions, open_corpus
from infonoise_text.spans import Given
from infonoise_text.task import Objective
from infonoise_text.tokens import Tokenizer, load_tokenizer

COMMAND = "infonoise-text train"
BITS = "bits"
TOKENIZER_FOLDER, CODES_FILE = "tokenizer", "codes.safetensors"


def furnish(out: Path, tokenizer: Tokenizer, book: CodeBook) -> None:
    """Write into a run's folder what `open_trained` needs beside the weights."""
    (out / TOKENIZER_FOLDER).mkdir(exist_ok=True)
    tokenizer.save(out / TOKENIZER_FOLDER)
    book.save(out / CODES_FILE, tokenizer.digest)


@dataclass(frozen=True)
class TrainedRun:
    """denoiser: the averaged weights, on their device.  profile: None for a fixed schedule.
    method: "bits" or a baseline.
    """

    path: Path
    settings: dict[str, Any]
    objective: Objective
    method: str
    tokenizer: Tokenizer
    book: CodeBook
    denoiser: nn.Module
    profile: EntropyRateProfile | None

    def corpus(self, data: str | None = None) -> Corpus:
        """What it was trained on, at `data` where that has moved; InputError for another one."""
        options = CorpusOptions(**self.settings["corpus"])
        source = data or str(self.settings["data"])
        corpus = open_corpus(source, options, semantic=self.objective.codes == "semantic")
        known = self.settings["tokens"]
        if corpus.tokenizer.digest != known["tokenizer_digest"]:
            raise InputError(
                f"{source}: its tokenizer {corpus.tokenizer.name!r}"
                f" ({corpus.tokenizer.digest[:12]}) is not the {known['tokenizer']!r}"
                f" ({known['tokenizer_digest'][:12]}) of {self.path}; prepare it with"
                f" --tokenizer {self.path / TOKENIZER_FOLDER}"
            )
        return corpus

    def need_bits(self, verb: str) -> None:
        """InputError for the run of a baseline."""
        if self.method != BITS:
            raise InputError(
                f"{self.path}: trained with --method {self.method}; {verb} takes runs of bits"
            )

    def length(self, asked: int | None) -> int:
        """Tokens of a window; InputError for more than was learned."""
        learned = self.objective.length
        if asked is not None and not 1 <= asked <= learned:
            raise InputError(
                f"--length {asked}: {self.path} has learned windows of {learned} tokens; give 1 to"
                f" {learned}"
            )
        return asked or learned

    def evaluation(self, corpus: Corpus, split: str, windows: int, passes: int = 1) -> Evaluation:
        """Bits per byte of a split, as its method measures them."""
        objective = self.objective
        if self.method != BITS:
            return BASELINES[self.method].evaluation(corpus, split, objective, windows)
        return TextEvaluation(
            corpus.split(split), self.book, objective.length, objective.sigma_max,
            windows=windows, passes=passes,
        )  # fmt: skip

    @property
    def levels(self) -> bool:
        """Whether it has noise levels, so that a sampler's churn and grid mean something."""
        return self.method == BITS or BASELINES[self.method].levels

    def check(self, sampler: SamplerConfig) -> None:
        """InputError where the sampler needs a profile that is not there."""
        sampler.sigmas(SIGMA_LAST, self.objective.sigma_max, self.profile)
        sampler.churning(self.profile)

    def generate(
        self,
        n: int,
        length: int,
        sampler: SamplerConfig,
        given: Given | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Generated:
        """n windows of text; --steps counts calls of the network."""
        if self.method != BITS:
            return BASELINES[self.method].generate(
                self.denoiser, n, length, sampler, self.objective.sigma_max, self.profile
            )
        sigmas = sampler.sigmas(SIGMA_LAST, self.objective.sigma_max, self.profile)
        return generate_ids(
            self.denoiser, self.book, n, length, sigmas, solver=sampler.solver,
            churn=sampler.churning(self.profile), s_noise=sampler.s_noise, seed=sampler.seed,
            chunk=sampler.chunk, given=given, guidance=sampler.guidance, progress=progress,
        )  # fmt: skip


def open_trained(run: Path, device: str = "auto") -> TrainedRun:
    """The run in the folder `run`; InputError where there is none."""
    settings = read_run_of(COMMAND, run)
    objective, method = Objective(**settings["objective"]), str(settings["method"])
    tokenizer = load_tokenizer(run / TOKENIZER_FOLDER, settings["tokens"]["tokenizer"])
    book = CodeBook.load(run / CODES_FILE, tokenizer.digest)
    trunk = preset(objective.network, objective.dropout)
    if method == BITS:
        denoiser: nn.Module = make_denoiser(book.bits, trunk, seed=0)
    else:
        denoiser = BASELINES[method].network(tokenizer.size, trunk, seed=0)
    load_denoiser(run, denoiser)
    denoiser.to(pick_device(device)).eval()
    return TrainedRun(
        run, settings, objective, method, tokenizer, book, denoiser, profile_if_any(run)
    )
