"""A domain's command line: what can be said of it before anything heavy is imported."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, make_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes

from infonoise_core.app import command
from infonoise_core.app.options import (
    CompareConfig,
    CompareOptions,
    EvaluateOptions,
    LeftOut,
    NoOptions,
    ProfileOptions,
    ReportOptions,
    SampleOptions,
    TrainOptions,
)
from infonoise_core.config.presets import Presets
from infonoise_core.config.renamed import formerly
from infonoise_core.config.several import Files
from infonoise_core.hub.options import Pull, Push
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.config import TrainConfig

if TYPE_CHECKING:
    from infonoise_core.app.domain import Domain


@dataclass(frozen=True)
class Interface:
    """How a domain is spoken to.

    Attributes:
        program: Its command, and the name of its package on the index.
        version: The package's.
        domain: "module:Class" of its `Domain`, imported when a verb runs.
        examples: What examples are called, such as images.
        data: What it trains on if nothing is given; empty where data have to be given.
        data_help: What may be given.
        several: Whether it may be several files.
        options: Dataclass of what is learned and of which data; the same in train and compare.
        sampler: How samples are drawn by default.
        train: Settings of the loop by default.
        compare: Settings of a comparison by default.
        sample, evaluate, profile: Dataclasses of what it adds to these verbs.
        samples, evaluated: How many samples `sample` and `evaluate` draw by default.
        sample_out: What --out of sample is, for help; empty where it may be left out.
        splits: Names of the real data that evaluate takes; the first is the default.
        split_help: What they are.
        own: Further verbs: name -> options and "module:function".
        presets: Verb -> its published recipes.
        describe: Verb -> what it does, in place of what core says.
    """

    program: str
    version: str
    domain: str
    examples: str
    options: type[Any]
    data_help: str
    sample_out: str
    data: str = ""
    several: bool = False
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    sample: type[Any] = NoOptions
    evaluate: type[Any] = NoOptions
    profile: type[Any] = NoOptions
    samples: int = 64
    evaluated: int = 256
    splits: tuple[str, ...] = ("test", "val")
    split_help: str = ""
    own: Mapping[str, command.Command] = field(default_factory=dict)
    presets: Mapping[str, Presets] = field(default_factory=dict)
    describe: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """What made a run, as its config.json says."""
        return f"{self.program} train"

    def load(self) -> "Domain[Any, Any]":
        """The domain itself, with everything that it needs imported."""
        module, _, name = self.domain.partition(":")
        domain: Domain[Any, Any] = getattr(importlib.import_module(module), name)(self)
        return domain


def run_program(interface: Interface, argv: Sequence[str] | None = None) -> int:
    """Entry point of a domain's command; returns the exit code."""
    return command.run(
        interface.program, interface.version, commands(interface), argv, presets=interface.presets
    )


def commands(interface: Interface) -> dict[str, command.Command]:
    """Verb -> its options and what runs it: the domain's own among those of every domain."""
    shared = {
        name: (_options(name, interface), partial(_run, interface, place))
        for name, place in _VERBS.items()
    }
    last = {name: shared.pop(name) for name in ("push", "pull")}
    return {**shared, **interface.own, **last}


# What runs a verb, given the domain and the options.
_VERBS = {
    "train": "train:run_train",
    "sample": "sample:run_sample",
    "evaluate": "evaluate:run_evaluate",
    "profile": "profile:run_profile",
    "compare": "compare:run_compare",
    "report": "pages.run_report:run_report",
    "push": "push:run_push",
    "pull": "push:run_pull",
}


def _run(interface: Interface, place: str, options: Any) -> None:
    module, _, name = place.partition(":")
    verb: Callable[[Domain[Any, Any], Any], None] = getattr(
        importlib.import_module(f"infonoise_core.app.{module}"), name
    )
    verb(interface.load(), options)


def _options(verb: str, interface: Interface) -> type[Any]:
    """The verb's dataclass with the domain's types, defaults and words in place of core's."""
    base = _BASES[verb]
    changes = _changes(verb, interface)
    if not changes:
        return base
    return make_dataclass(
        base.__name__, changes, bases=(base,), frozen=True, kw_only=True,
        namespace={"__doc__": interface.describe.get(verb, base.__doc__)},
    )  # fmt: skip


def _changes(verb: str, interface: Interface) -> list[tuple[str, Any, Any]]:
    """Name, type and default of the fields that are a domain's own."""
    train, compare, sampler = interface.train, interface.compare, interface.sampler
    source: Any = Files if interface.several else str
    kind: Any = Annotated[source, tyro.conf.Positional]
    data = _field("data", kind, interface.data_help, interface.data or MISSING)
    drawn = _group(type(sampler), "sampler", sampler)
    if verb == "train":
        return [_group(interface.options), data, _group(TrainConfig, "train", train)]
    if verb == "compare":
        settings = _group(CompareConfig, "comparison", compare)
        return [_group(interface.options), data, settings]
    if verb == "sample":
        return [_group(interface.sample), drawn, *_sampled(interface)]
    if verb == "evaluate":
        names: Any = Literal.__getitem__(interface.splits)
        split = Annotated[names, formerly("reference", "part")]
        which = interface.split_help or f"which held-out {interface.examples}"
        words = f"generated {interface.examples}, and as many real ones that they are compared with"
        return [
            _group(interface.evaluate),
            drawn,
            _field("split", split, which, interface.splits[0]),
            _field("samples", Annotated[int, formerly("n")], words, LeftOut(interface.evaluated)),
        ]
    if verb == "profile":
        return [_group(interface.profile)]
    return [drawn] if verb == "report" else []


def _sampled(interface: Interface) -> list[tuple[str, Any, Any]]:
    number = Annotated[int, formerly("n")]
    out: Any = Path if interface.sample_out else Path | None
    words = interface.sample_out or "write JSON lines here, in place of text to the terminal"
    return [
        _field("samples", number, f"how many {interface.examples}", interface.samples),
        _field("out", out, words, MISSING if interface.sample_out else None),
    ]


def _group(kind: type[Any], name: str = "options", default: Any = None) -> tuple[str, Any, Any]:
    hint: Any = OmitArgPrefixes
    # Without a name of its own, or its title in --help were "options options".
    inner: Any = Annotated[kind, tyro.conf.arg(name="")] if name == "options" else kind
    made = field() if default is None else field(default_factory=lambda: default)
    return name, hint[inner], made


def _field(name: str, hint: Any, words: str, default: Any) -> tuple[str, Any, Any]:
    described = Annotated[hint, tyro.conf.arg(help=words)]
    return name, described, field() if default is MISSING else field(default=default)


_BASES: Mapping[str, type[Any]] = {
    "train": TrainOptions,
    "sample": SampleOptions,
    "evaluate": EvaluateOptions,
    "profile": ProfileOptions,
    "compare": CompareOptions,
    "report": ReportOptions,
    "push": Push,
    "pull": Pull,
}
