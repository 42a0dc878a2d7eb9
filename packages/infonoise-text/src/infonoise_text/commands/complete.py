"""`infonoise-text sample`, `complete` and `infill`: text from a trained run."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_core.training.progress import progress
from infonoise_text.data.spans import Given, gaps, prompt
from infonoise_text.evaluation.quality import texts_of
from infonoise_text.methods.trained import TrainedRun, open_trained
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated

SAMPLER = TextSampler(steps=64, grid="entropic", solver="euler", chunk=64)
_RULE = "-----"


@dataclass(frozen=True)
class Output:
    """How many texts, how long, and where they go."""

    n: int = 4
    """how many texts"""
    length: int | None = None
    """tokens of a window, what is given among them; by default as many as in training"""
    out: Path | None = None
    """write JSON lines here, in place of text to the terminal"""
    overwrite: bool = False
    """replace the file --out"""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"--n {self.n}: give at least 1")

    def check(self) -> None:
        """InputError where nothing can be written, before anything is computed."""
        if self.out is None:
            return
        if self.out.is_dir():
            raise InputError(f"--out {self.out} is a folder: give a file name")
        if self.out.exists() and not self.overwrite:
            raise InputError(f"--out {self.out} exists: give another name or --overwrite")


@dataclass(frozen=True)
class SampleCommand:
    """Generate text from nothing."""

    run: Positional[Path]
    """the --out of a train command"""
    output: OmitArgPrefixes[Output] = field(default_factory=Output)
    sampler: OmitArgPrefixes[TextSampler] = field(default_factory=lambda: SAMPLER)


@dataclass(frozen=True)
class Complete:
    """Go on behind a prompt."""

    run: Positional[Path]
    """the --out of a train command"""
    prompt: Positional[str]
    """the beginning of the text"""
    output: OmitArgPrefixes[Output] = field(default_factory=Output)
    sampler: OmitArgPrefixes[TextSampler] = field(default_factory=lambda: SAMPLER)


@dataclass(frozen=True)
class Infill:
    """Fill the gaps in a text."""

    run: Positional[Path]
    """the --out of a train command"""
    text: Positional[str]
    """the text, with the mark in place of each gap: "a ___ b\""""
    mark: str = "___"
    """what stands for a gap"""
    gap: int | None = None
    """tokens of each gap; by default the gaps share what room the window has left"""
    output: OmitArgPrefixes[Output] = field(default_factory=Output)
    sampler: OmitArgPrefixes[TextSampler] = field(default_factory=lambda: SAMPLER)


def run_sample(config: SampleCommand) -> None:
    """Text from nothing."""
    config.output.check()
    run = open_trained(config.run, config.sampler.device)
    _write(run, config.output, config.sampler, None, run.length(config.output.length))


def run_complete(config: Complete) -> None:
    """The prompt stands where a window begins."""
    config.output.check()
    run = open_trained(config.run, config.sampler.device)
    run.codes_for("complete")
    length = run.length(config.output.length)
    given = prompt(run.tokenizer.encode(config.prompt), length)
    _write(run, config.output, config.sampler, given, length)


def run_infill(config: Infill) -> None:
    """What is given stands around the gaps; what would follow the text is not shown."""
    config.output.check()
    run = open_trained(config.run, config.sampler.device)
    run.codes_for("infill")
    length = run.length(config.output.length)
    if not config.mark or config.mark not in config.text:
        raise InputError(
            f"no gap to fill: put the mark {config.mark!r} into the text, or name another --mark"
        )
    parts = [run.tokenizer.encode(part) for part in config.text.split(config.mark)]
    given = gaps(parts, length, config.gap)
    shown = length
    if config.gap is not None:
        shown = sum(map(len, parts)) + config.gap * (len(parts) - 1)
    _write(run, config.output, config.sampler, given, shown)


def _write(
    run: TrainedRun, output: Output, sampler: TextSampler, given: Given | None, shown: int
) -> None:
    """Generate, and print or save the first `shown` tokens of each window."""
    length = shown if given is None else len(given.ids)
    with progress(output.n, "sample") as reporter:
        found = run.generate(
            output.n, length, sampler, given, lambda done, _: reporter.advance(done)
        )
    ids, invalid = found.ids[:, :shown], found.invalid[:, :shown]
    texts = texts_of(run.tokenizer, ids)
    if output.out is None:
        for text in texts:
            print(f"{_RULE}\n{text}")
    else:
        _save(output.out, texts, Generated(ids, invalid, found.nfe))
    made = f"{output.n} texts of {shown} tokens, {found.nfe} denoiser calls each"
    rate = float(invalid.double().mean())
    print(f"{made}, {rate:.2%} of the codes belong to no token", file=sys.stderr)


def _save(out: Path, texts: list[str], found: Generated) -> None:
    """One object a line: the text, its tokens, and how many of their codes belong to no token."""
    counts = found.invalid.sum(1).tolist()
    rows = zip(texts, found.ids.tolist(), counts, strict=True)
    with whole_file(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        for text, ids, count in rows:
            line = {"text": text, "tokens": ids, "invalid": count}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{out}: written")
