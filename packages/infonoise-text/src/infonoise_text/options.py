"""What text adds to the options of core's verbs, and the options of its own ones."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.errors import InputError
from infonoise_core.sampling.options import MAX_GAMMA
from infonoise_text.data.options import EMBEDDED, CorpusOptions
from infonoise_text.sampling.options import Output, TextSampler

SAMPLER = TextSampler(grid="entropic", solver="euler", chunk=64)


@dataclass(frozen=True)
class SampleExtras:
    """How long the texts are."""

    length: int | None = None
    """tokens of a text, by default of a window of training; more are made window by window, each
    behind the last half of the one before it"""
    past_end: bool = False
    """go on behind the end of a document, where a text is longer than a window"""
    prompts: Path | None = None
    """a file of prompts to go on behind, as of complete; a run of pairs needs one"""


@dataclass(frozen=True)
class EvaluateExtras:
    """What is measured beside bits per byte."""

    windows: int = 128
    """held-out windows of the bound"""
    text: str | None = None
    """measure this text as a whole instead of a split: a file, folder or pattern of names"""
    stride: int | None = None
    """of --text: tokens by which windows move on, the rest of a window being given; by default half
    a window, or a whole one for methods that take no given tokens"""
    beside: tuple[Path, ...] = ()
    """other runs on the same tokens, such as baselines, for the table of bits per byte"""
    churns: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    """sizes of churn, one row of the table of generated text each"""
    lm: str | None = None
    """folder of a causal language model (extra lm), for its perplexity of what is generated"""
    mauve: bool = False
    """also MAUVE, by --lm (extra mauve)"""
    plot: Path | None = None
    """write the frontier of perplexity and entropy here (.svg, .png or .pdf)"""

    def __post_init__(self) -> None:
        if self.windows < 2:
            raise InputError(f"--windows {self.windows}: give at least 2")
        if self.stride is not None and self.text is None:
            raise InputError(
                f"--stride {self.stride} without --text: give the text, or leave it out"
            )
        if self.stride is not None and self.stride < 1:
            raise InputError(f"--stride {self.stride}: give at least 1 token")
        for churn in self.churns:
            if not 0 <= churn <= MAX_GAMMA:
                raise InputError(f"--churns {churn:g}: give 0 to {MAX_GAMMA:.4f}")
        if self.mauve and self.lm is None:
            raise InputError("--mauve without --lm: give the folder of a causal language model")


@dataclass(frozen=True)
class ProfileExtras:
    """Parts of the profile, measured on held-out text."""

    by: Literal["bit", "position"] | None = None
    """measure the parts of each bit of a code, or of stretches of positions"""
    data: str | None = None
    """the text of --by, if it has moved since training"""
    windows: int = 64
    """held-out windows of --by"""
    save: Path | None = None
    """write the profile measured by --by here, as JSON"""

    def __post_init__(self) -> None:
        if self.save is not None and self.by is None:
            raise InputError("--save without --by: the run's profile.json is there already")


@dataclass(frozen=True)
class Import:
    """Make a release of CoBit one of ours."""

    source: Positional[Path]
    """its .pt or .safetensors, such as cobit_s_lm1b.pt"""
    out: Positional[Path]
    """folder to write, which every other command takes in place of a run"""
    tokenizer: str
    """that it was trained with: a folder, a tokenizer.json, a name on the hub, or two of these
    for codes over ids, as in gpt2+codes.json"""
    length: int = 128
    """tokens of a window"""
    heads: int | None = None
    """of attention, where they are not of 64 channels each"""
    profile: Path | None = None
    """a profile of the model, for grids that follow one"""
    overwrite: bool = False
    """replace what an earlier import left there"""


@dataclass(frozen=True)
class Complete:
    """Go on behind a prompt, or answer it where the run was trained on pairs."""

    run: Positional[Path]
    """the --out of a train command, or of a pull"""
    prompt: Positional[str] = ""
    """the beginning of the text"""
    prompts: Path | None = None
    """a file of prompts in its place: a line each, or JSON lines with a field `prompt`, of pairs
    with their own"""
    output: OmitArgPrefixes[Output] = field(default_factory=Output)
    sampler: OmitArgPrefixes[TextSampler] = field(default_factory=lambda: SAMPLER)

    def __post_init__(self) -> None:
        if bool(self.prompt) == (self.prompts is not None):
            raise InputError("give a prompt, or --prompts and a file of them")


@dataclass(frozen=True)
class Infill:
    """Fill the gaps in a text."""

    run: Positional[Path]
    """the --out of a train command, or of a pull"""
    text: Positional[str]
    """the text, with the mark in place of each gap: "a ___ b\""""
    mark: str = "___"
    """what stands for a gap"""
    gap: int | None = None
    """tokens of each gap; by default the gaps share what room the window has left"""
    output: OmitArgPrefixes[Output] = field(default_factory=Output)
    sampler: OmitArgPrefixes[TextSampler] = field(default_factory=lambda: SAMPLER)


@dataclass(frozen=True)
class Prepare:
    """Turn text files, archives, tables, JSON lines or Hugging Face data into token ids."""

    out: Path
    """folder for the ids, the tokenizer and the manifest"""
    corpus: Positional[tuple[str, ...]] = (EMBEDDED,)
    """files, folders, patterns, archives, hf:NAME, - for what is piped in, or pydoc (the
    documentation inside Python)"""
    semantic: bool = True
    """learn codes in which tokens used alike share their first bits, which networks of tuples take
    by default"""
    overwrite: bool = False
    """replace an earlier corpus in --out"""
    options: OmitArgPrefixes[CorpusOptions] = field(default_factory=CorpusOptions)
