"""A trained run of text: core's, with its method, tokenizer and profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from infonoise_core.app.trained import TrainedRun
from infonoise_core.errors import InputError
from infonoise_core.training.run_profile import profile_if_any
from infonoise_text.codes.book import Codes
from infonoise_text.data.corpus import SEMANTIC_FILE, Corpus, Split
from infonoise_text.data.prompts import read_prompts
from infonoise_text.data.spans import Given
from infonoise_text.methods.assets import CODES_FILE, TOKENIZER_FOLDER, Assets
from infonoise_text.methods.base import Method, Profiles, Progress
from infonoise_text.methods.bits import Bits
from infonoise_text.methods.options import TextOptions
from infonoise_text.methods.registry import make_method, method_of
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated, Own
from infonoise_text.tokenizers.base import Tokenizer


def assets_of(settings: Any, folder: Path, options: TextOptions) -> Assets:
    """What lies beside the weights in a run's folder.

    Args:
        settings: Its config.json.
    """
    return Assets.open(folder, settings["tokens"]["tokenizer"], options.clusters)


def check_same_tokens(
    source: TrainedRun[TextOptions], corpus: Corpus, options: TextOptions
) -> None:
    """InputError where a corpus has other tokens than a run, or other codes for them."""
    theirs = assets_of(source.settings, source.path, source.options)
    own = method_of(options, corpus).assets
    if theirs.tokenizer.digest != own.tokenizer.digest:
        raise InputError(
            f"--from {source.path}: its tokenizer is another one; prepare the text with"
            f" --tokenizer {source.path / TOKENIZER_FOLDER}"
        )
    if not torch.equal(theirs.book.codes, own.book.codes):
        raise InputError(
            f"--from {source.path}: its tokens have other codes than this corpus gives them;"
            f" copy its {CODES_FILE} over {corpus.folder / SEMANTIC_FILE}"
        )


def other_tokenizer(known: Mapping[str, Any], found: Mapping[str, Any], run: Path) -> str:
    """What an error says of text whose tokenizer is not that of a run."""
    return (
        f"whose tokenizer is {known['tokenizer']!r} ({known['tokenizer_digest'][:12]}) and"
        f" not {found['tokenizer']!r} ({found['tokenizer_digest'][:12]}); prepare them with"
        f" --tokenizer {run / TOKENIZER_FOLDER}"
    )


@dataclass(frozen=True)
class TextRun:
    """What text is generated and measured with.

    Attributes:
        denoiser: The averaged weights, on their device.
        profiles: Of each of the method's profile files.
        field: Where text is in records.
        pairs: Of a run of prompts and answers, the names of their fields, `prompt` and `answer`,
            and the tokens of the `longest` answer.
    """

    path: Path
    method: Method
    tokenizer: Tokenizer
    denoiser: nn.Module
    profiles: Profiles
    field: str = "text"
    pairs: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, run: TrainedRun[TextOptions]) -> "TextRun":
        """The run in a folder, once core has opened it."""
        assets = assets_of(run.settings, run.path, run.options)
        method = make_method(run.options, assets)
        profiles = [profile_if_any(run.path, name, run.step) for name in method.profile_files]
        field = run.options.corpus.field
        pairs = run.settings["tokens"].get("pairs")
        return cls(run.path, method, assets.tokenizer, run.denoiser, profiles, field, pairs)

    def split(self, corpus: Corpus, name: str) -> Split:
        """A split of a corpus, in windows as it was trained on."""
        return corpus.split(name, packed=self.method.objective.packing)

    def read_prompts(self, path: Path) -> list[str]:
        """The prompts in a file, of records in the field that they were trained from."""
        return read_prompts(path, "prompt" if self.pairs is None else str(self.pairs["prompt"]))

    def refuse_beside(self, other: "TextRun") -> None:
        """InputError for a run that cannot be measured on the same windows."""
        if other.tokenizer.digest != self.tokenizer.digest:
            raise InputError(f"--beside {other.path}: it has another tokenizer than {self.path}")
        if (other.method.objective.packing, other.pairs) != (
            self.method.objective.packing,
            self.pairs,
        ):
            raise InputError(
                f"--beside {other.path}: its windows are cut otherwise than those of {self.path};"
                " train it on the same pairs, or with the same --packing"
            )

    def refuse_pairs(self, what: str, fix: str) -> None:
        """InputError for a run of pairs."""
        if self.pairs is not None:
            raise InputError(f"{what}: {self.path} was trained on prompts and answers; {fix}")

    def refuse_ordered(self, what: str) -> None:
        """InputError for a run that has learned to write from left to right, and nothing else."""
        if self.method.only_ordered:
            raise InputError(
                f"{what}: {self.path} was trained with --ordered 1 and has never seen what stands"
                " behind a gap; take a run with less"
            )

    @property
    def takes_given(self) -> bool:
        """Whether it can be measured on the rest of a window of which the beginning is given."""
        return self.method.takes_given

    def codes_for(self, verb: str) -> Codes:
        """The bits that are denoised; InputError for a method that keeps tokens whole."""
        codes = self.method.codes
        if codes is None:
            raise InputError(
                f"{self.path}: trained with --method {self.method.name}; {verb} takes runs of bits"
            )
        return codes

    def goes_beyond(self, wanted: int | None) -> bool:
        """Whether that many tokens are more than a window; InputError where none can be added."""
        if wanted is None or wanted <= self.method.objective.length:
            return False
        self.codes_for(f"--length {wanted}, beyond its windows of {self.method.objective.length}")
        return True

    def length(self, wanted: int | None) -> int:
        """Tokens of a window; InputError for more than was learned."""
        learned = self.method.objective.length
        if wanted is not None and not 1 <= wanted <= learned:
            raise InputError(
                f"--length {wanted}: {self.path} has learned windows of {learned} tokens; give 1 to"
                f" {learned}"
            )
        return wanted or learned

    def generate(
        self,
        n: int,
        length: int,
        sampler: TextSampler,
        given: Given | None = None,
        progress: Progress | None = None,
        own: Own | None = None,
    ) -> Generated:
        """n windows of text; --steps counts calls of the network."""
        how = self.settled(sampler, given)
        return self.method.generate(
            self.denoiser, n, length, how, self.profiles, given, progress, own
        )

    def settled(self, sampler: TextSampler, given: Given | None = None) -> TextSampler:
        """With the steps that suit the way in which text is written, where none are given."""
        bits = self.method if isinstance(self.method, Bits) else None
        return sampler.settled(bits is not None and bits.alone(sampler, given))

    def samplers(
        self, sampler: TextSampler, churns: Sequence[float], *, check: bool
    ) -> dict[str, TextSampler]:
        """Name of a row -> how its text is made, with each churn where that means something.

        Args:
            check: Whether what the run has no profile for is refused at once.
        """
        if not self.method.has_levels:
            return {self.method.name: sampler}
        if isinstance(self.method, Bits) and self.method.draws(sampler, None):
            return {"drawn": sampler}
        found = {f"churn {churn:g}": replace(sampler, churn=churn) for churn in churns}
        for one in found.values() if check else ():
            self.method.check(one, self.profiles)
        return found
