"""Text as core knows it: what its verbs ask of a corpus, a method and a run."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from infonoise_core.app.domain import Domain, Samples
from infonoise_core.app.options import (
    EvaluateOptions,
    ProfileOptions,
    SampleOptions,
)
from infonoise_core.app.trained import TrainedRun, options_of
from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.evaluation.schema import Evaluated
from infonoise_core.files import check_output
from infonoise_core.schedules.fixed import Schedule
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_core.training.data.fingerprint import fingerprint
from infonoise_core.training.task import Task
from infonoise_text.commands import evaluate, profile
from infonoise_text.data.corpus import SPLITS, Corpus, Split
from infonoise_text.data.open import describe, fitting, open_corpus
from infonoise_text.data.windows import Examples, held_out
from infonoise_text.evaluation.bound import NOT_COMPARABLE
from infonoise_text.evaluation.quality import texts_of
from infonoise_text.methods import older
from infonoise_text.methods.assets import CLUSTERS_FILE, CODES_FILE, TOKENIZER_FOLDER
from infonoise_text.methods.clusters.schedule import CLUSTERS_PROFILE
from infonoise_text.methods.options import TextOptions
from infonoise_text.methods.pairs.answers import answers, prompts_of, shown, shown_pairs
from infonoise_text.methods.pairs.behind import write_behind
from infonoise_text.methods.registry import make_method, method_of
from infonoise_text.methods.trained import TextRun, assets_of, check_same_tokens, other_tokenizer
from infonoise_text.methods.written import RULE, write_continued, write_texts
from infonoise_text.options import EvaluateExtras
from infonoise_text.sampling.options import Output, showing

# Texts that are shown.
SHOWN = 4
# How many documents the tokenizer does not give back, in the settings of a run.
LOSSY = "lossy_documents"


class TextDomain(Domain[Corpus, TextOptions]):
    """Windows of tokens, as bits or by a baseline; see `methods`."""

    summary_key = "tokens"
    labels = ("name", "tokenizer")
    assets = (TOKENIZER_FOLDER, CODES_FILE, CLUSTERS_FILE, CLUSTERS_PROFILE)
    tags = ("infonoise", "diffusion", "text-generation")

    def load(self, source: str, options: TextOptions) -> Corpus:
        corpus = open_corpus(source, options.corpus, semantic=options.semantic)
        for note in fitting(corpus, options.objective.length):
            print(note, file=sys.stderr)
        return corpus

    def summary(self, data: Corpus) -> dict[str, Any]:
        return describe(data)

    def fingerprint(self, data: Corpus) -> str:
        # The manifest has a digest of the ids, so that they need not all be read.
        counts = data.manifest.splits
        parts = [(name, counts[name].sha256) for name in SPLITS]
        if data.manifest.pairs is not None:
            parts += [(f"{name} pairs", data.manifest.pairs.sha256[name]) for name in SPLITS]
        return fingerprint([("tokenizer", data.tokenizer.digest), *parts])

    def difference(
        self, key: str, known: Mapping[str, Any], found: Mapping[str, Any], run: Path
    ) -> str:
        if known["tokenizer_digest"] != found["tokenizer_digest"]:
            return other_tokenizer(known, found, run)
        return super().difference(key, known, found, run)

    def about(self, data: Corpus) -> str:
        return f"{data.manifest.splits['train'].tokens:,} tokens of {data.manifest.source}"

    def schedule_context(self, data: Corpus, options: TextOptions, steps: int) -> ScheduleContext:
        return method_of(options, data).schedule_context(_split(data, options), steps)

    def schedules(self, data: Corpus, options: TextOptions) -> Callable[[str, int], Schedule]:
        return method_of(options, data).schedules(_split(data, options))

    def without_levels(self, options: TextOptions) -> str:
        if options.method in ("autoregressive", "masked"):
            return f"--method {options.method} has no noise levels; give bits or embedding"
        plain = options.method == "bits" and options.clusters is None
        if plain and options.objective.ordered == 1 and options.objective.blind:
            return "--ordered 1 has no noise levels; give --block-noise, or a lower share"
        return ""

    def task(self, data: Corpus, options: TextOptions, seed: int) -> Task:
        method = method_of(options, data)
        return method.task(_split(data, options), method.network(seed))

    def evaluation(self, data: Corpus, options: TextOptions) -> Evaluation:
        return method_of(options, data).evaluation(_split(data, options, "valid"))

    def model_settings(self, data: Corpus, options: TextOptions) -> dict[str, Any]:
        # Of a tokenizer that loses text, so that a shared model says it too.
        return {LOSSY: data.manifest.changed} if data.manifest.changed else {}

    def save_assets(self, data: Corpus, options: TextOptions, folder: Path) -> None:
        method_of(options, data).assets.save(folder)

    def as_today(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return older.as_today(settings)

    def going_on(self, options: TextOptions, begun: Mapping[str, Any]) -> TextOptions:
        return older.going_on(options, begun)

    def rate(self, options: TextOptions) -> float:
        return options.rate

    def check_begins(
        self, source: TrainedRun[TextOptions], data: Corpus, options: TextOptions
    ) -> None:
        check_same_tokens(source, data, options)

    def rebuild(self, settings: Mapping[str, Any], folder: Path) -> nn.Module:
        options = options_of(self, settings)
        return make_method(options, assets_of(settings, folder, options)).network(seed=0)

    def samples(self, denoiser: nn.Module, data: Corpus, options: TextOptions) -> Samples:
        method = method_of(options, data)
        nothing = [None for _ in method.profile_files]
        length = options.objective.length
        how = showing(getattr(denoiser, "block", 0) > 0, getattr(denoiser, "tells_tokens", False))
        if data.manifest.pairs is not None:
            given = prompts_of(_held_out(data, options))
            found = method.generate(denoiser, len(given.ids), length, how, nothing, given)
            return _shown(shown(data.tokenizer, given, answers(found, given, data.tokenizer.end)))
        found = method.generate(denoiser, SHOWN, length, how, nothing)
        return _shown(texts_of(data.tokenizer, found.ids))

    def held_out_examples(self, data: Corpus, options: TextOptions) -> Samples:
        real = _held_out(data, options)
        if data.manifest.pairs is not None:
            return _shown(shown_pairs(data.tokenizer, real))
        return _shown(texts_of(data.tokenizer, real.ids))

    def generate(self, run: TrainedRun[TextOptions], command: SampleOptions) -> str:
        text = TextRun.of(run)
        extras = command.options
        output = Output(
            command.samples, extras.length, extras.past_end, command.out, command.overwrite
        )
        if extras.prompts is not None:
            prompts = text.read_prompts(extras.prompts)
            return write_behind(text, output, command.sampler, prompts)
        text.refuse_pairs("sample", "give a file of --prompts, or one to complete")
        if text.goes_beyond(output.length) or not text.method.objective.packing:
            return write_continued(text, output, command.sampler, [[]])
        return write_texts(text, output, command.sampler, None, text.length(output.length))

    def check_evaluate(self, command: EvaluateOptions) -> None:
        evaluate.check(command)

    def evaluation_file(self, command: EvaluateOptions) -> str:
        """Text from elsewhere has a file of its own, and takes the place of no split."""
        extras: EvaluateExtras = command.options
        if extras.text is None:
            return super().evaluation_file(command)
        stem = "".join(c if c.isalnum() or c in "-._" else "-" for c in Path(extras.text).name)
        return f"evaluation-{stem}.json"

    def evaluate(
        self, run: TrainedRun[TextOptions], data: Corpus, command: EvaluateOptions
    ) -> Evaluated:
        return evaluate.evaluated(self, run, data, command)

    def measures_profile(self, command: ProfileOptions) -> bool:
        if command.options.save is not None:
            check_output(command.options.save, command.overwrite)
        return command.options.by is not None or (command.run / CLUSTERS_PROFILE).exists()

    def profile(self, run: TrainedRun[TextOptions], command: ProfileOptions) -> None:
        profile.run_profile(self, run, command)

    def card(self, settings: Mapping[str, Any]) -> dict[str, str]:
        tokens, options = settings["tokens"], options_of(self, settings)
        lossy = {"bits per byte": NOT_COMPARABLE} if settings.get(LOSSY) else {}
        return {
            "tokens": f"{tokens['train']:,}, in windows of {options.objective.length}",
            "tokenizer": f"{tokens['tokenizer']}, {tokens['vocabulary']:,} entries",
            "method": options.method,
            "codes": options.codes,
            "network": options.objective.network,
            **lossy,
        }


def _split(data: Corpus, options: TextOptions, name: str = "train") -> Split:
    return data.split(name, packed=options.objective.packing)


def _held_out(data: Corpus, options: TextOptions) -> Examples:
    split = _split(data, options, "valid")
    return held_out(split, options.objective.length, SHOWN).examples


def _shown(texts: list[str]) -> str:
    return f"\n{RULE}\n".join(texts)
