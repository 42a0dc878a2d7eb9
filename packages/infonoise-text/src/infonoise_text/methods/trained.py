"""A trained run: its settings, its averaged network, and what it takes to use them.

A run keeps its tokenizer and its codes, so that it speaks without the corpus it was trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from infonoise_core.app.train import Evaluation, profile_if_any, read_run_of
from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training.engines.torch import pick_device
from infonoise_core.training.loop import load_denoiser
from infonoise_text.codes.book import CodeBook, Codes
from infonoise_text.data.corpus import Corpus
from infonoise_text.data.open import CorpusOptions, open_corpus
from infonoise_text.data.spans import Given
from infonoise_text.evaluation.bound import TextEvaluation
from infonoise_text.methods.bits import Objective
from infonoise_text.methods.clusters.book import ClusterBook
from infonoise_text.methods.clusters.bound import cluster_evaluation
from infonoise_text.methods.clusters.model import make_cluster_denoiser
from infonoise_text.methods.clusters.path import (
    check_solver,
    equal_path,
    generate_along,
    joint_churn,
    joint_path,
    tokens_path,
)
from infonoise_text.methods.clusters.schedule import CLUSTERS_PROFILE
from infonoise_text.methods.registry import BASELINES
from infonoise_text.models.denoiser import SIGMA_LAST, make_denoiser
from infonoise_text.models.transformer import preset
from infonoise_text.sampling.text import Generated, TextSampler, generate_ids
from infonoise_text.tokenizers.base import Tokenizer
from infonoise_text.tokenizers.load import load_tokenizer

COMMAND = "infonoise-text train"
BITS = "bits"
TOKENIZER_FOLDER, CODES_FILE = "tokenizer", "codes.safetensors"
CLUSTERS_FILE = "clusters.safetensors"


def save_assets(
    out: Path, tokenizer: Tokenizer, book: CodeBook, tree: CodeBook | None = None
) -> None:
    """Write into a run's folder what `open_trained` needs beside the weights.

    Args:
        tree: Whose first bits are the clusters', of a run that has them.
    """
    (out / TOKENIZER_FOLDER).mkdir(exist_ok=True)
    tokenizer.save(out / TOKENIZER_FOLDER)
    book.save(out / CODES_FILE, tokenizer.digest)
    if tree is not None:
        tree.save(out / CLUSTERS_FILE, tokenizer.digest)


@dataclass(frozen=True)
class TrainedRun:
    """denoiser: the averaged weights, on their device.  profile: of tokens; None for a fixed
    schedule.  method: "bits" or a baseline.  clusters_profile: of a run with clusters, whose book
    is a ClusterBook.
    """

    path: Path
    settings: dict[str, Any]
    objective: Objective
    method: str
    tokenizer: Tokenizer
    book: Codes
    denoiser: nn.Module
    profile: EntropyRateProfile | None
    clusters_profile: EntropyRateProfile | None = None

    def corpus(self, data: str | None = None) -> Corpus:
        """What it was trained on, at `data` where that has moved; InputError for another one."""
        options = CorpusOptions(**self.settings["corpus"])
        source = data or str(self.settings["data"])
        # Clusters need no semantic book here: the run has its own.
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

    def evaluation(
        self,
        corpus: Corpus,
        split: str,
        windows: int,
        passes: int = 1,
        path: Tensor | None = None,
    ) -> Evaluation:
        """Bits per byte of a split, as its method measures them.

        Args:
            path: Of a run with clusters, by default both kinds at the same level.
        """
        objective = self.objective
        if isinstance(self.book, ClusterBook):
            along = equal_path(objective.sigma_max) if path is None else path
            return cluster_evaluation(
                corpus.split(split), self.book, objective.length, along,
                windows=windows, passes=passes,
            )  # fmt: skip
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

    def check(self, sampler: TextSampler) -> None:
        """InputError where the sampler needs a profile that is not there, or does not go with
        clusters or the lack of them.
        """
        self._check_kinds(sampler)
        sampler.sigmas(SIGMA_LAST, self.objective.sigma_max, self.profile)
        sampler.churning(self.profile)

    def _check_kinds(self, sampler: TextSampler) -> None:
        if isinstance(self.book, ClusterBook):
            check_solver(sampler)
        elif sampler.lead:
            raise InputError(
                f"--lead {sampler.lead:g}: {self.path} was trained without --clusters; leave it out"
            )

    def paths(self, sampler: TextSampler) -> dict[str, Tensor]:
        """Name -> further paths (k, 2) along which the bound of a run with clusters is of interest:
        that of the sampler, if it has the profiles it needs, and tokens without their clusters.
        """
        if not isinstance(self.book, ClusterBook):
            return {}
        paths = {"clusters untold": tokens_path(self.objective.sigma_max)}
        known = self.clusters_profile is not None or not sampler.needs_profile
        if known and sampler.steps > 1:
            paths = {"as sampled": self._path(sampler)} | paths
        return paths

    def _path(self, sampler: TextSampler) -> Tensor:
        profiles = (self.clusters_profile, self.profile)
        return joint_path(sampler, self.objective.sigma_max, profiles)

    def generate(
        self,
        n: int,
        length: int,
        sampler: TextSampler,
        given: Given | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Generated:
        """n windows of text; --steps counts calls of the network."""
        self._check_kinds(sampler)
        if self.method != BITS:
            return BASELINES[self.method].generate(
                self.denoiser, n, length, sampler, self.objective.sigma_max, self.profile
            )
        if isinstance(self.book, ClusterBook):
            path = self._path(sampler)
            gammas = joint_churn(sampler, path, (self.clusters_profile, self.profile))
            return generate_along(
                self.denoiser, self.book, n, length, path, gammas, sampler,
                given=given, progress=progress,
            )  # fmt: skip
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
    codes: Codes = book
    trunk = preset(objective.network, objective.dropout)
    clusters = settings.get("clusters")
    if clusters is not None:
        tree = CodeBook.load(run / CLUSTERS_FILE, tokenizer.digest)
        codes = both = ClusterBook(book, tree, clusters)
        denoiser: nn.Module = make_cluster_denoiser(both.widths, trunk, seed=0)
    elif method == BITS:
        denoiser = make_denoiser(book.bits, trunk, seed=0)
    else:
        denoiser = BASELINES[method].network(tokenizer.size, trunk, seed=0)
    load_denoiser(run, denoiser)
    denoiser.to(pick_device(device)).eval()
    beside = run / CLUSTERS_PROFILE
    return TrainedRun(
        run, settings, objective, method, tokenizer, codes, denoiser, profile_if_any(run),
        EntropyRateProfile.load(beside) if beside.exists() else None,
    )  # fmt: skip
