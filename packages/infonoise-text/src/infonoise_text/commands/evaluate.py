"""What a run of text is worth, beside n-grams and other runs: the tables of `evaluate`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from infonoise_core.app.domain import Domain
from infonoise_core.app.options import EvaluateOptions
from infonoise_core.app.trained import TrainedRun, open_trained
from infonoise_core.errors import InputError
from infonoise_core.evaluation.schema import Evaluated, Row, Table
from infonoise_core.files import check_output
from infonoise_core.training.engines.ranks import pick_device
from infonoise_core.training.progress import progress
from infonoise_text.data.corpus import Corpus
from infonoise_text.data.windows import held_out, held_out_windows
from infonoise_text.evaluation.bound import NOT_COMPARABLE
from infonoise_text.evaluation.external import language_model, mauve
from infonoise_text.evaluation.frontier import PERPLEXITY, draw_frontier
from infonoise_text.evaluation.ngram import NGram
from infonoise_text.evaluation.quality import Judge, Quality, TextMeasure, texts_of
from infonoise_text.evaluation.reference import byte_references, token_model, token_reference
from infonoise_text.methods.options import TextOptions
from infonoise_text.methods.pairs.measured import answer_table
from infonoise_text.methods.trained import TextRun
from infonoise_text.methods.whole_text import whole_text
from infonoise_text.sampling.options import TextSampler

_ORDER = 6
# Models of tokens beside the runs.
_TOKEN_MODELS = {1: "unigram", 2: "bigram"}
# What the splits of a corpus are called where the options say otherwise.
_SPLITS = {"val": "valid"}
_COLUMNS = {"bits per byte": "bits_per_byte", "nats per token": "nats_per_token"}
_ENTROPY = "entropy"


def check(command: EvaluateOptions) -> None:
    """InputError for options that cannot be evaluated by."""
    if command.samples < 0:
        raise InputError(f"--samples {command.samples}: give 0 or more")
    if command.sampler.churn:
        raise InputError(f"--churn {command.sampler.churn:g}: give --churns here, one for each row")
    plot: Path | None = command.options.plot
    if plot is not None:
        check_output(plot, command.overwrite)


def evaluated(
    domain: Domain[Corpus, TextOptions],
    run: TrainedRun[TextOptions],
    corpus: Corpus,
    command: EvaluateOptions,
) -> Evaluated:
    """Bits per byte of the run and others, and what it generates by its churn."""
    text = TextRun.of(run)
    command = replace(command, sampler=text.settled(command.sampler))
    others = [
        TextRun.of(open_trained(domain, path, command.sampler.device))
        for path in command.options.beside
    ]
    for other in others:
        text.refuse_beside(other)
    samplers = text.samplers(command.sampler, command.options.churns, check=command.samples > 0)
    judge = _judge(command, corpus, text)
    source, stride = command.options.text, command.options.stride
    if source is not None:
        text.refuse_pairs("--text", "it is measured on the pairs of a split")
        return whole_text(source, stride, [text, *others], corpus, judge.model)
    tables = [_bits_per_byte(command, [text, *others], corpus, judge.model)]
    if command.samples and text.pairs is not None:
        pairs = held_out(text.split(corpus, _split(command)), text.length(None), command.samples)
        tables.append(answer_table(text, pairs.examples, samplers, judge.measures))
    elif command.samples:
        qualities = _qualities(command, text, corpus, judge, samplers)
        tables.append(_generated(qualities, command))
        if command.options.plot is not None:
            draw_frontier(qualities, command.options.plot, command.overwrite)
            print(f"{command.options.plot}: written")
    return Evaluated(tables)


def _split(command: EvaluateOptions) -> str:
    return _SPLITS.get(command.split, command.split)


def _judge(command: EvaluateOptions, corpus: Corpus, run: TextRun) -> Judge:
    """What needs a library is opened first: a mistake there is found before the work."""
    measures: dict[str, TextMeasure] = {}
    extras = command.options
    if extras.lm is not None:
        measures["perplexity by --lm"] = language_model(
            extras.lm, str(pick_device(command.sampler.device))
        )
        if extras.mauve:
            run.refuse_pairs("--mauve", "it compares whole texts")
            split = corpus.split(_split(command))
            real = held_out_windows(split, min(256, len(split)), max(command.samples, 2))
            measures["MAUVE"] = mauve(texts_of(corpus.tokenizer, real), extras.lm)
    if extras.plot is not None:
        run.refuse_pairs("--plot", "it draws the perplexity of whole texts")
    end = None if run.method.objective.packing else corpus.tokenizer.end
    return Judge(corpus.tokenizer, token_model(corpus), measures, end)


def _bits_per_byte(
    command: EvaluateOptions, runs: Sequence[TextRun], corpus: Corpus, model: NGram
) -> Table:
    split, rows = runs[0].split(corpus, _split(command)), []
    for run in runs:
        evaluations = run.method.evaluations(
            split, command.options.windows, command.sampler, run.profiles
        )
        lossy = "" if split.lossless else f"; {NOT_COMPARABLE}"
        for how, evaluation in evaluations.items():
            found, measure = evaluation(run.denoiser), evaluation.measures()[0]
            rows.append(
                Row(
                    f"{run.path.name} ({how}{lossy})",
                    {column: found[key] for column, key in _COLUMNS.items()},
                    {column: found[f"{key}_stderr"] for column, key in _COLUMNS.items()},
                    "lower",
                    measure.explanation,
                )
            )
    length = runs[0].method.objective.length
    mark = "" if split.lossless else f" ({NOT_COMPARABLE})"
    for order, name in _TOKEN_MODELS.items():
        found = token_reference(split, model, order, length, command.options.windows)
        rows.append(
            Row(
                f"token {name}{mark}",
                {column: found[key] for column, key in _COLUMNS.items()},
                {column: found[f"{key}_stderr"] for column, key in _COLUMNS.items()},
                "lower",
                f"The exact cost of the same windows under a {name} model of tokens, from counts of"
                " train.",
            )
        )
    for order, bits in enumerate(byte_references(corpus, split.name, _ORDER), start=1):
        explanation = f"The exact cost under a model of {order} bytes, from counts of train."
        rows.append(
            Row(f"byte {order}-gram{mark}", {"bits per byte": bits}, {}, "lower", explanation)
        )
    changed = corpus.manifest.changed
    settings = {"windows": command.options.windows, "split": command.split, "lossy": changed}
    note = ""
    if changed:
        note = (
            f"The tokenizer does not give {changed} documents back, so bits per byte are lower than"
            " they should be, and those of other tokenizers cannot be compared with them."
        )
    return Table("bits_per_byte", f"{command.split} split", tuple(_COLUMNS), rows, settings, note)


def _qualities(
    command: EvaluateOptions,
    run: TextRun,
    corpus: Corpus,
    judge: Judge,
    samplers: Mapping[str, TextSampler],
) -> dict[str, Quality]:
    """Name of a row -> the quality of text; held-out text is the first."""
    n, length = command.samples, run.length(None)
    real = held_out(run.split(corpus, _split(command)), length, max(n, 2)).examples.ids
    found = {"held-out text": judge.data(real)}
    with progress(len(samplers) * n, "sample") as reporter:
        for name, sampler in samplers.items():
            made = run.generate(n, length, sampler, progress=lambda done, _: reporter.advance(done))
            found[name] = judge(made)
    return found


def _generated(qualities: Mapping[str, Quality], command: EvaluateOptions) -> Table:
    rows = [Row(name, _columns(quality)) for name, quality in qualities.items()]
    columns = tuple(dict.fromkeys(column for row in rows for column in row.values))
    note = (
        "Read the perplexity beside the entropy: it falls where a text repeats itself. The row of"
        " held-out text is what a perfect model would get."
    )
    sampler = command.sampler
    settings = {"samples": command.samples, "steps": sampler.steps, "grid": sampler.grid}
    title = f"{command.samples} generated windows"
    return Table("generated", title, columns, rows, settings, note)


def _columns(quality: Quality) -> dict[str, float | None]:
    distinct = {f"distinct-{n}": share for n, share in enumerate(quality.distinct, start=1)}
    return {
        PERPLEXITY: quality.perplexity,
        _ENTROPY: quality.entropy,
        **distinct,
        "share without a token": quality.invalid,
        "calls": float(quality.nfe),
        **quality.others,
    }
