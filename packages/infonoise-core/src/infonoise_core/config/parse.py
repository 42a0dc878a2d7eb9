"""One dataclass from options, --set, a YAML file and a preset: tyro and what is around it."""

import contextlib
import difflib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union

import tyro

from infonoise_core.config.presets import Presets, make_preset
from infonoise_core.config.renamed import with_new_names
from infonoise_core.config.tree import ConfigTree, build
from infonoise_core.config.yaml_file import put_assignment, read_config
from infonoise_core.errors import InputError

T = TypeVar("T")
# The field that holds them, and the name of their group in --help.
_SOURCES = "settings"


@dataclass(frozen=True)
class Sources:
    """Given twice, options go before --set, and --set before --config."""

    config: Path | None = None
    """YAML file of settings, flat as the options are or nested, such as the config.yaml of a run"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE of any setting, such as seed=1"""


@dataclass(frozen=True)
class PresetSources(Sources):
    """Given twice, options go before --set, --set before --config, and --config before --preset."""

    preset: str | None = None
    """settings of a published recipe; the command presets shows them"""


def parse_options(
    kind: type[T], program: str, arguments: Sequence[str], presets: Presets | None = None
) -> T | None:
    """The dataclass `kind` from what the user gave, checked by its own constructors.

    Returns:
        None where help was wanted, which is printed.

    Raises:
        InputError: For every mistake.
    """
    sources = PresetSources if presets else Sources
    given, _ = _tyro(sources, program, arguments, add_help=False, return_unknown_args=True)
    base = make_preset(given.preset, presets) if presets and given.preset else None
    tree = ConfigTree(kind, base)
    arguments = with_new_names(arguments, tree.renamed())
    _refuse_again(arguments, tree.several())
    if given.config is not None:
        read_config(given.config, tree)
    for assignment in given.set:
        put_assignment(assignment, tree)
    # All is parsed together, though the sources are known by now, so that --help tells of all.
    everything = _with_sources(kind, sources)
    draft = tree.draft(everything, **{_SOURCES: sources()})
    known = [*tree.options(), *(field.name for field in fields(sources))]
    parsed = _tyro(everything, program, arguments, known, default=draft)
    return None if parsed is None else build(kind, parsed)


def _refuse_again(arguments: Sequence[str], several: set[str]) -> None:
    """InputError for an option of several values that is given twice: the last would hide others.

    Of one value the last counts, so that a script's can be replaced.
    """
    given = [word.partition("=")[0].replace("_", "-") for word in arguments if word[:2] == "--"]
    for name in sorted(several):
        if given.count(f"--{name}") > 1:
            raise InputError(f"--{name} is given twice: give all values behind one, --{name} A B")


def parse_choice(kinds: Mapping[str, type], program: str, arguments: Sequence[str]) -> None:
    """Print help or raise InputError where none of the commands is chosen."""
    choices = tuple(
        Annotated[kind, tyro.conf.subcommand(name, prefix_name=False)]
        for name, kind in kinds.items()
    )
    _tyro(Union[choices], program, arguments)  # noqa: UP007


def _with_sources(kind: type, sources: type) -> type:
    without_prefix: Any = tyro.conf.OmitArgPrefixes
    extra = (_SOURCES, without_prefix[sources], field(default_factory=sources))
    return make_dataclass(
        kind.__name__, [extra], bases=(kind,), frozen=True, namespace={"__doc__": kind.__doc__}
    )


def _tyro(
    kind: Any, program: str, arguments: Sequence[str], known: Sequence[str] = (), **how: Any
) -> Any:
    """What tyro makes of the arguments; None after it has printed help.

    Args:
        kind: A dataclass, or a union of them.
        program: Its name, for help.
        arguments: As the user gave them.
        known: Names of options, of which the nearest is offered for one that there is not.
        how: Further arguments of tyro.cli.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(kind, prog=program, args=arguments, **how)
    except SystemExit as end:
        if not end.code:
            return None
    box = complaint.getvalue()
    text = _unknown_option(box, known) or _in_one_line(box)
    raise InputError(f"{text}; see {program} --help")


def _unknown_option(box: str, known: Sequence[str]) -> str:
    """A line that there is no such option, and the nearest one.

    Empty where tyro's message is about another mistake.
    """
    found = re.search(r"Unrecognized options:[\s│]*--([\w.-]+)", box)
    if found is None:
        return ""
    name = found[1].replace("_", "-")
    line = f"there is no option --{found[1]}"
    if name in known:  # what is given by its place
        return f"{line}: give its value by itself, without the name"
    near = difflib.get_close_matches(name, known, n=1)
    return line + (f"; did you mean --{near[0]}?" if near else "")


def _in_one_line(box: str) -> str:
    """The gist of tyro's framed message: its text up to the help of the argument."""
    frame = r"[│╭╮╰╯─]+|^[+|]|[+|]$|-{3,}"
    lines = [re.sub(frame, " ", line).strip(" |+") for line in box.splitlines()]
    kept: list[str] = []
    for line in lines[1:]:
        if line.startswith(("Argument helptext", "For full helptext")):
            break
        if line and not (line.startswith(("in ", "(")) and kept):
            kept.append(line)
    gist = " ".join(kept) or "the command line is not understood"
    # What a dataclass refuses itself is said in its own words.
    return re.sub(r"^Error parsing (?!-)[\w.-]+: ", "", gist).removesuffix(".")
