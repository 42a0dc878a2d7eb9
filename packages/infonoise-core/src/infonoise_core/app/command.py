"""The edge of every command line: parse typed options once, print mistakes in one line."""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infonoise_core.config.presets import Presets, print_presets
from infonoise_core.errors import InputError, ReportedError
from infonoise_core.extras import extra_for, load
from infonoise_core.mistakes import one_line
from infonoise_core.terminal import guarded
from infonoise_core.training.interrupt import ended_by_sigterm

# What a launcher (torchrun, deepspeed) may start several processes of, and what goes on from its
# last checkpoint after an interruption.
_SHARED = ("train", "sample", "evaluate")
_GOES_ON = ("train", "compare")
# Of a run, and of the runs of a comparison.
_CHECKPOINTS = ("checkpoints/step-*", "runs/*/checkpoints/step-*")

# Set to see the traceback of a mistake that is shown in one line.
TRACEBACK = "INFONOISE_TRACEBACK"

# The frozen dataclass of a command's options, and the function that takes it. Either may be given
# as "module:name", which is imported when the command is chosen: so `--help` needs no torch.
Command = tuple[type[Any] | str, Callable[[Any], None] | str]


def run(
    program: str,
    version: str,
    commands: Mapping[str, Command],
    argv: Sequence[str] | None = None,
    *,
    presets: Mapping[str, Presets] | None = None,
) -> int:
    """Run `program COMMAND [options]`; returns the exit code.

    Every command also takes --config FILE.yaml and --set NAME=VALUE, and --preset NAME where
    `presets` has some for it; then `program presets` shows what tells them apart.
    What a user, a machine or a file can cause ends in one line on stderr and 2, an interruption in
    130. Of several processes of one run, one tells it where all would say the same.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    begun: list[Any] = []
    with guarded(), ended_by_sigterm():
        try:
            if arguments == ["--version"]:
                print(f"{program} {version}")
            else:
                _dispatch(program, commands, presets or {}, arguments, begun)
            _flush()
            return 0
        except ReportedError:
            return 2
        except BrokenPipeError:
            # The reader of our output went away (`| head`): nothing is wrong.
            _let_go(sys.stdout)
            return 0
        except KeyboardInterrupt:
            _tell(f"interrupted{_next_words(arguments, begun)}")
            return 130
        except Exception as error:
            line = one_line(error)
            if line is None or os.environ.get(TRACEBACK):
                raise
            _tell(f"error: {line}")
            return 2


def _flush() -> None:
    """Write what is still on its way to stdout, while an error of it can be shown."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _tell(line: str) -> None:
    """Print to stderr whatever has become of it, and of stdout."""
    try:
        _flush()
    except (OSError, ValueError):
        _let_go(sys.stdout)
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _let_go(sys.stderr)


def _let_go(stream: Any) -> None:
    """Let a stream that cannot be written to end in nothing, or Python complains as it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@dataclass(frozen=True)
class ShowPresets:
    """Show the presets of the other commands: the settings in which they differ."""


def _dispatch(
    program: str,
    commands: Mapping[str, Command],
    presets: Mapping[str, Presets],
    arguments: list[str],
    begun: list[Any],
) -> None:
    """Parse the options and call the command, which is noted as `begun` by its options."""
    try:
        from infonoise_core.config.parse import parse_choice, parse_options
    except ModuleNotFoundError as error:
        raise extra_for(error, program) from None

    if presets:
        commands = {**commands, "presets": (ShowPresets, _show_presets(program, commands, presets))}
    name = arguments[0] if arguments else ""
    full_name = program
    if name in commands:
        full_name, arguments = f"{program} {name}", arguments[1:]
        _refuse_launcher(full_name, name)
    elif len(commands) == 1:
        (name,) = commands
    else:
        parse_choice({name: load(kind) for name, (kind, _) in commands.items()}, program, arguments)
        return
    kind, function = commands[name]
    try:
        config = parse_options(load(kind), full_name, arguments, presets.get(name))
    except InputError as error:
        # A launcher gives every process the same options; the first on each machine tells.
        if os.environ.get("LOCAL_RANK", "0") != "0":
            raise ReportedError(str(error)) from None
        raise
    if config is not None:
        begun.append(config)
        try:
            verb = load(function)
        except ModuleNotFoundError as error:
            raise extra_for(error, full_name) from None
        verb(config)


def _show_presets(
    program: str, commands: Mapping[str, Command], presets: Mapping[str, Presets]
) -> Callable[[Any], None]:
    def show(_: ShowPresets) -> None:
        print_presets(program, {name: load(commands[name][0]) for name in presets}, presets)

    return show


def _next_words(arguments: Sequence[str], begun: Sequence[Any]) -> str:
    """That the command goes on from where it was, if there is something it goes on from."""
    if not set(arguments[:1]) <= set(_GOES_ON) or not begun:
        return ""
    out = getattr(begun[0], "out", None)
    if not isinstance(out, Path) or not any(
        step for place in _CHECKPOINTS for step in out.glob(place)
    ):
        return ""
    return "; the same command, without --overwrite, goes on from the last checkpoint"


def _refuse_launcher(full_name: str, name: str) -> None:
    """InputError, once a machine, where several processes would do the same work twice."""
    local, world = os.environ.get("LOCAL_RANK"), os.environ.get("WORLD_SIZE", "1")
    if name in _SHARED or local is None or world == "1":
        return
    error = f"{full_name} runs in one process: start it without the launcher"
    raise InputError(error) if local == "0" else ReportedError(error)
