"""`infonoise-text evaluate`: what a run is worth, beside n-grams and other runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from rich.text import Text
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core import terminal
from infonoise_core.errors import InputError
from infonoise_core.files import write_json
from infonoise_core.plot import figure, save_figure
from infonoise_core.sampling.options import MAX_GAMMA
from infonoise_core.training.engines.ranks import pick_device
from infonoise_core.training.progress import progress
from infonoise_text.commands.complete import SAMPLER
from infonoise_text.data.corpus import Corpus
from infonoise_text.data.windows import held_out_windows
from infonoise_text.evaluation.external import language_model, mauve
from infonoise_text.evaluation.quality import Judge, Quality, TextMeasure, texts_of
from infonoise_text.evaluation.reference import byte_references, token_model
from infonoise_text.methods.trained import TrainedRun, open_trained
from infonoise_text.sampling.options import TextSampler

JSON_FILE = "evaluation.json"
_ORDER = 6


@dataclass(frozen=True)
class Evaluate:
    """Measure a run on held-out text: bits per byte, and what it generates by its churn."""

    run: Positional[Path]
    """the --out of a train command"""
    data: str | None = None
    """the text, if it has moved since training"""
    split: Literal["valid", "test"] = "test"
    """which held-out text"""
    windows: int = 128
    """held-out windows of the bound"""
    beside: tuple[Path, ...] = ()
    """other runs on the same tokens, such as baselines, for the table of bits per byte"""
    n: int = 64
    """generated windows for each churn; 0 for none"""
    churns: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    """sizes of churn, one row of the table each"""
    lm: str | None = None
    """folder of a causal language model (extra lm), for its perplexity of what is generated"""
    mauve: bool = False
    """also MAUVE, by --lm (extra mauve)"""
    plot: Path | None = None
    """write the frontier of perplexity and entropy here (.svg, .png or .pdf)"""
    out: Path | None = None
    """JSON file; by default evaluation.json in the run's folder"""
    overwrite: bool = False
    """replace the files --plot and --out"""
    sampler: OmitArgPrefixes[TextSampler] = field(default_factory=lambda: SAMPLER)

    def __post_init__(self) -> None:
        if self.n < 0 or self.windows < 2:
            raise InputError(
                f"--n {self.n} and --windows {self.windows}: give 0 or more, and at least 2"
            )
        for churn in self.churns:
            if not 0 <= churn <= MAX_GAMMA:
                raise InputError(f"--churns {churn:g}: give 0 to {MAX_GAMMA:.4f}")
        if self.sampler.churn:
            raise InputError(
                f"--churn {self.sampler.churn:g}: give --churns here, one for each row"
            )
        if self.mauve and self.lm is None:
            raise InputError("--mauve without --lm: give the folder of a causal language model")
        for option, path in (("--plot", self.plot), ("--out", self.out)):
            if path is not None and path.exists() and not self.overwrite:
                raise InputError(f"{option} {path} exists: give another name or --overwrite")


def run_evaluate(config: Evaluate) -> None:
    """Print both tables; write them as JSON, and the frontier as a picture where --plot says so."""
    run = open_trained(config.run, config.sampler.device)
    corpus = run.corpus(config.data)
    others = [open_trained(path, config.sampler.device) for path in config.beside]
    for other in others:
        if other.tokenizer.digest != run.tokenizer.digest:
            raise InputError(f"--beside {other.path}: it has another tokenizer than {run.path}")
    samplers = _samplers(config, run)
    judge = _judge(config, corpus)
    lines = _bits_per_byte(config, [run, *others], corpus)
    qualities = _qualities(config, run, corpus, judge, samplers) if config.n else {}
    _print_bits(lines, config.split)
    if qualities:
        _print_qualities(qualities, config.n)
    out = config.out or config.run / JSON_FILE
    rows = {name: quality.to_dict() for name, quality in qualities.items()}
    write_json(out, {"split": config.split, "bits_per_byte": lines, "generated": rows})
    if config.plot is not None and qualities:
        _draw(qualities, config.plot, config.overwrite)
        print(f"{config.plot}: written")
    print(f"{out}: written")


def _judge(config: Evaluate, corpus: Corpus) -> Judge:
    """What needs a library is opened first: a mistake there is found before the work."""
    measures: dict[str, TextMeasure] = {}
    if config.lm is not None:
        device = str(pick_device(config.sampler.device))
        measures["perplexity by --lm"] = language_model(config.lm, device)
        if config.mauve:
            length = min(256, len(corpus.split(config.split)))
            real = held_out_windows(corpus.split(config.split), length, max(config.n, 2))
            measures["MAUVE"] = mauve(texts_of(corpus.tokenizer, real), config.lm)
    return Judge(corpus.tokenizer, token_model(corpus), measures)


def _bits_per_byte(
    config: Evaluate, runs: list[TrainedRun], corpus: Corpus
) -> dict[str, dict[str, float]]:
    """Name of a model -> its measures."""
    lines: dict[str, dict[str, float]] = {}
    for run in runs:
        evaluations = run.evaluations(corpus, config.split, config.windows, config.sampler)
        for how, evaluation in evaluations.items():
            lines[f"{run.path.name} ({how})"] = evaluation(run.denoiser)
    for order, bits in enumerate(byte_references(corpus, config.split, _ORDER), start=1):
        lines[f"byte {order}-gram"] = {"bits_per_byte": bits}
    return lines


def _samplers(config: Evaluate, run: TrainedRun) -> dict[str, TextSampler]:
    """Name of a row -> how its text is made; what a run has no profile for is refused at once."""
    if not run.method.has_levels:
        return {run.method.name: config.sampler}
    samplers = {f"churn {c:g}": replace(config.sampler, churn=c) for c in config.churns}
    for sampler in samplers.values() if config.n else ():
        run.check(sampler)
    return samplers


def _qualities(
    config: Evaluate,
    run: TrainedRun,
    corpus: Corpus,
    judge: Judge,
    samplers: Mapping[str, TextSampler],
) -> dict[str, Quality]:
    """Name of a row -> the quality of text; held-out text is the first."""
    length = run.objective.length
    held_out = held_out_windows(corpus.split(config.split), length, max(config.n, 2))
    found = {"held-out text": judge.data(held_out)}
    with progress(len(samplers) * config.n, "sample") as reporter:
        for name, sampler in samplers.items():
            made = run.generate(
                config.n, length, sampler,
                progress=lambda done, _: reporter.advance(done),
            )  # fmt: skip
            found[name] = judge(made)
    return found


def _print_bits(lines: Mapping[str, Mapping[str, float]], split: str) -> None:
    table = Table(title=Text(f"{split} split"), title_justify="left")
    table.add_column("model")
    for name in ("bits per byte", "nats per token"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, values in lines.items():
        cells = [_with_error(values, key) for key in ("bits_per_byte", "nats_per_token")]
        table.add_row(Text(name), *cells)
    terminal.console().print(table)


def _with_error(values: Mapping[str, float], key: str) -> str:
    if key not in values:
        return ""
    error = values.get(f"{key}_stderr")
    return f"{values[key]:.4f}" + ("" if error is None else f" ± {error:.4f}")


def _print_qualities(qualities: Mapping[str, Quality], n: int) -> None:
    first = next(iter(qualities.values()))
    table = Table(title=Text(f"{n} generated windows"), title_justify="left")
    table.add_column("text")
    columns = ["perplexity by n-grams", "entropy", "distinct-2", "no token", "calls"]
    for name in [*columns, *first.others]:
        table.add_column(name, justify="right")
    for name, q in qualities.items():
        two = f"{q.distinct[1]:.3f}" if len(q.distinct) > 1 else ""
        cells = [f"{q.perplexity:.2f}", f"{q.entropy:.3f}", two, f"{q.invalid:.2%}", str(q.nfe)]
        table.add_row(Text(name), *cells, *(f"{value:.2f}" for value in q.others.values()))
    terminal.console().print(table)


def _draw(qualities: Mapping[str, Quality], out: Path, overwrite: bool) -> None:
    """Perplexity over entropy: text that repeats itself lies to the left."""
    data, *made = qualities.items()
    fig, ax = figure()
    ax.plot(
        [q.entropy for _, q in made], [q.perplexity for _, q in made], "o-", color="0.15",
        linewidth=1.4,
    )  # fmt: skip
    for name, q in made:
        place: Any = (q.entropy, q.perplexity)
        ax.annotate(name, place, xytext=(4, 4), textcoords="offset points", fontsize="x-small")
    ax.plot([data[1].entropy], [data[1].perplexity], "*", color="C3", markersize=11, label=data[0])
    ax.set(
        xlabel="entropy of the tokens of a window, nats", ylabel="perplexity by n-grams",
        yscale="log",
    )  # fmt: skip
    ax.legend(frameon=False, fontsize="small")
    save_figure(fig, out, overwrite=overwrite)
