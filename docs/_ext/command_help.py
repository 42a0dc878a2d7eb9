"""The help of every command, printed by the programs themselves."""

import contextlib
import importlib
import io
import os
import re
import textwrap
from collections.abc import Callable, Iterator

# What fits into the site's column without scrolling.
WIDTH = 88
# Program -> module with its `main`.
PROGRAMS = {
    "infonoise": "infonoise_core.commands.cli",
    "infonoise-vision": "infonoise_vision.cli",
    "infonoise-text": "infonoise_text.cli",
    "infonoise-bio": "infonoise_bio.cli",
}


def verbs(program: str) -> list[str]:
    """The verbs that `program --help` lists."""
    usage = re.search(r"\{([\w,-]+)\}", print_help(program, []))
    if usage is None:
        raise RuntimeError(f"{program} --help lists no verbs")
    return usage[1].split(",")


def print_help(program: str, words: list[str]) -> str:
    """What `program words --help` prints; RuntimeError if it fails."""
    main: Callable[[list[str]], int] = importlib.import_module(PROGRAMS[program]).main
    out = io.StringIO()
    with _plain(), contextlib.redirect_stdout(out):
        code = main([*words, "--help"])
    if code:
        raise RuntimeError(f"{program} {' '.join(words)} --help exits {code}: {out.getvalue()}")
    lines = out.getvalue().strip("\n").splitlines()
    # tyro wraps what stands in its boxes, not the description above them.
    return "\n".join(
        textwrap.fill(
            line.rstrip(),
            WIDTH,
            subsequent_indent="  " if line.startswith("usage: ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )


def page() -> str:
    """Markdown: one section per program, one below it per verb."""
    parts = []
    for program in PROGRAMS:
        parts += [f"## {program}", "", _block(print_help(program, [])), ""]
        for verb in verbs(program):
            parts += [f"### {program} {verb}", "", _block(print_help(program, [verb])), ""]
    return "\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


@contextlib.contextmanager
def _plain() -> Iterator[None]:
    """A terminal of one width without colours."""
    before = dict(os.environ)
    os.environ.update(COLUMNS=str(WIDTH), NO_COLOR="1", TERM="dumb")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
