"""Every command that a page shows is understood: its verb, its options and their values."""

import dataclasses
import importlib
import re
import shlex
from collections.abc import Mapping
from typing import Any

import pytest
from doc_blocks import PROGRAMS, ROOT

from infonoise_core.app import command
from infonoise_core.config.parse import parse_options
from infonoise_core.extras import load

PAGES = [ROOT / "README.md", *ROOT.glob("packages/*/README.md"), *ROOT.glob("docs/**/*.md")]
LINE = re.compile(r"^(?:    |\$ )(infonoise(?:-\w+)? (?:[^\n\\]|\\\n)+)$", re.MULTILINE)
SHOWN = sorted(
    {
        shown.replace("\\\n", " ")
        for page in PAGES
        if "_build" not in page.parts
        for shown in LINE.findall(page.read_text())
    }
)


@pytest.fixture(scope="module")
def verbs() -> dict[str, tuple[Mapping[str, command.Command], Mapping[str, Any]]]:
    """Program -> its verbs and the presets it offers, as its `main` hands them over."""
    found: dict[str, tuple[Mapping[str, command.Command], Mapping[str, Any]]] = {}

    def note(
        program: str, version: str, commands: Any, argv: Any = None, *, presets: Any = None
    ) -> int:
        found[program] = (commands, presets or {})
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "run", note)
        for module in PROGRAMS.values():
            room = f"{module}.commands" if module == "infonoise_core" else module
            importlib.import_module(f"{room}.cli").main([])
    return found


@pytest.mark.parametrize("line", SHOWN)
def test_command_is_understood(line: str, verbs: Any) -> None:
    program, verb, *words = shlex.split(line, comments=True)
    commands, presets = verbs[program]
    if verb == "presets":
        return
    # What is wrong with it would be an InputError.
    assert parse_options(load(commands[verb][0]), program, words, presets.get(verb)) is not None


def test_every_verb_has_its_options_and_its_function(verbs: Any) -> None:
    for commands, _ in verbs.values():
        for options, function in commands.values():
            assert dataclasses.is_dataclass(load(options))
            assert callable(load(function))


def test_every_program_is_shown_sharing() -> None:
    assert len(SHOWN) > 40
    for words in ("infonoise push", "infonoise pull", "infonoise-vision push"):
        assert [line for line in SHOWN if line.startswith(words)]
    for name in PROGRAMS:
        readme = ROOT / "packages" / f"{name if '-' in name else name + '-core'}" / "README.md"
        assert "`push" in readme.read_text()
