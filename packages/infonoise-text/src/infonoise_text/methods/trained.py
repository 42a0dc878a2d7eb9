"""A trained run: its settings, its averaged network, and what it takes to use them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from infonoise_core.config.renamed import upgraded
from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training.engines.ranks import pick_device
from infonoise_core.training.loop import load_denoiser
from infonoise_core.training.run_folder import read_run_of
from infonoise_text.codes.book import Codes
from infonoise_text.data.corpus import Corpus
from infonoise_text.data.open import open_corpus
from infonoise_text.data.options import CorpusOptions
from infonoise_text.data.spans import Given
from infonoise_text.methods.assets import TOKENIZER_FOLDER, Assets
from infonoise_text.methods.base import Method, Profiles, Progress
from infonoise_text.methods.options import Objective
from infonoise_text.methods.registry import make_method
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated
from infonoise_text.tokenizers.base import Tokenizer

COMMAND = "infonoise-text train"


@dataclass(frozen=True)
class TrainedRun:
    """What the verbs after `train` work with.

    Attributes:
        settings: Its config.json.
        denoiser: The averaged weights, on their device.
        profiles: Of each of the method's profile files.
    """

    path: Path
    settings: dict[str, Any]
    objective: Objective
    method: Method
    tokenizer: Tokenizer
    denoiser: nn.Module
    profiles: Profiles

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

    def codes_for(self, verb: str) -> Codes:
        """The bits that are denoised; InputError for a method that keeps tokens whole."""
        codes = self.method.codes
        if codes is None:
            raise InputError(
                f"{self.path}: trained with --method {self.method.name}; {verb} takes runs of bits"
            )
        return codes

    def length(self, wanted: int | None) -> int:
        """Tokens of a window; InputError for more than was learned."""
        learned = self.objective.length
        if wanted is not None and not 1 <= wanted <= learned:
            raise InputError(
                f"--length {wanted}: {self.path} has learned windows of {learned} tokens; give 1 to"
                f" {learned}"
            )
        return wanted or learned

    def evaluations(
        self, corpus: Corpus, split: str, windows: int, sampler: TextSampler
    ) -> Mapping[str, Evaluation]:
        """How it is measured -> bits per byte of a split."""
        return self.method.evaluations(corpus.split(split), windows, sampler, self.profiles)

    def check(self, sampler: TextSampler) -> None:
        """InputError where the sampler does not go with the run."""
        self.method.check(sampler, self.profiles)

    def generate(
        self,
        n: int,
        length: int,
        sampler: TextSampler,
        given: Given | None = None,
        progress: Progress | None = None,
    ) -> Generated:
        """n windows of text; --steps counts calls of the network."""
        return self.method.generate(
            self.denoiser, n, length, sampler, self.profiles, given, progress
        )


def open_trained(run: Path, device: str = "auto") -> TrainedRun:
    """The run in the folder `run`; InputError where there is none."""
    settings = read_run_of(COMMAND, run)
    objective = Objective(**upgraded(settings["objective"], Objective))
    assets = Assets.open(run, settings["tokens"]["tokenizer"], settings.get("clusters"))
    method = make_method(str(settings["method"]), objective, assets)
    denoiser = method.network(seed=0)
    load_denoiser(run, denoiser)
    denoiser.to(pick_device(device)).eval()
    profiles = [_profile_if_any(run / name) for name in method.profile_files]
    return TrainedRun(run, settings, objective, method, assets.tokenizer, denoiser, profiles)


def _profile_if_any(path: Path) -> EntropyRateProfile | None:
    return EntropyRateProfile.load(path) if path.exists() else None
