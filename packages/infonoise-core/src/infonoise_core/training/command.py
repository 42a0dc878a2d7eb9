"""The edge of every command line: parse typed options once, print mistakes in one line."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Union, cast

from infonoise_core.errors import InputError

# The dataclass of a command's options, and the function that takes it.
Command = tuple[type, Callable[[Any], None]]


def run(
    program: str, version: str, commands: Mapping[str, Command], argv: Sequence[str] | None = None
) -> int:
    """Run `program COMMAND [options]`; returns the exit code.

    A mistake in what the user gave ends in one line on stderr and 2, an interruption in 130.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments == ["--version"]:
            print(f"{program} {version}")
            return 0
        config = _parse(program, commands, arguments)
        if config is not None:
            functions = dict(commands.values())
            functions[type(config)](config)
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(
            "interrupted; the same command, without --overwrite, goes on from the last checkpoint",
            file=sys.stderr,
        )
        return 130
    except OSError as error:
        # A folder that may not be written, a full disk: nothing a traceback would help with.
        if error.filename is None or error.strerror is None:
            raise
        mend = "mend that or give another path"
        print(f"error: {error.filename}: {error.strerror}; {mend}", file=sys.stderr)
        return 2
    return 0


def _parse(program: str, commands: Mapping[str, Command], arguments: list[str]) -> Any:
    import tyro

    if len(commands) == 1 and arguments[:1] == [*commands]:
        # Of a single choice tyro makes no subcommand.
        program, arguments = f"{program} {arguments[0]}", arguments[1:]
    choices = tuple(
        Annotated[config, tyro.conf.subcommand(name, prefix_name=False)]
        for name, (config, _) in commands.items()
    )
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            chosen = cast(type, Union[choices])  # noqa: UP007
            return tyro.cli(chosen, prog=program, args=arguments)
    except SystemExit as end:
        if not end.code:
            return None
        text = complaint.getvalue()
    command = f"{program} {arguments[0]}" if arguments and arguments[0] in commands else program
    raise InputError(f"{_in_one_line(text)}; see {command} --help")


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
    return " ".join(kept) or "the command line is not understood"
