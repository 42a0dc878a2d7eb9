"""What benchmarks call takes what they give it."""

import pytest

import comparisons
import text
import text_characters
import text_networks
from infonoise_core.app.interface import commands
from infonoise_core.config.parse import parse_options
from infonoise_core.extras import load
from infonoise_text.interface import INTERFACE
from infonoise_text.presets import TRAIN_PRESETS
from of_dna import redesign
from suite import WORK

CORPORA = ("text-corpus-shakespeare", "text-corpus-books", "text-corpus-pydoc", "text-characters")


class CalledError(Exception):
    """The first command of a section, parsed."""


@pytest.mark.parametrize("suite", [text.SUITE, text_characters.SUITE, text_networks.SUITE])
@pytest.mark.parametrize("quick", [False, True])
def test_the_first_command_of_each_section_is_parsed(suite, quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in CORPORA:
        (WORK / name).mkdir(parents=True)
        (WORK / name / "corpus.json").touch()

    def call(program, arguments, tick):
        assert program == INTERFACE.program
        verb, *options = arguments
        kind = load(commands(INTERFACE)[verb][0])
        presets = TRAIN_PRESETS if verb == "train" else None
        assert parse_options(kind, f"{program} {verb}", options, presets)
        raise CalledError

    monkeypatch.setattr(comparisons, "call", call)
    # What a vocabulary costs is measured here and calls nothing.
    for section in (one for name, one in suite.sections.items() if name != "cost"):
        with pytest.raises(CalledError):
            section(quick, 0, print)


def test_templates_of_dna_keep_what_is_hidden_at_their_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = WORK / "bio-infill-planted-quick"
    run.mkdir(parents=True)
    (run / "done.json").touch()

    def command(arguments):
        assert arguments[0] == "infill"
        _, *letters = (run / "templates.fa").read_text().split(">template_")
        assert len(letters) == 20
        for row in letters:
            sequence = row.split("\n", 1)[1].replace("\n", "")
            assert len(sequence) == redesign.CASES[0].source.length
            assert sequence.endswith("N" * 10)
        raise CalledError

    monkeypatch.setattr(redesign, "command", command)
    with pytest.raises(CalledError):
        redesign.redesign(True, 0, print)
