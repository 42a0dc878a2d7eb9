"""Options, files and runs under the names of the version before."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .command_line import QUICK, STEPS, of_first_release, opened, run

# A whole command line in a process of its own: which of these modules did it import?
WATCHED = """
import sys
from infonoise_text.cli import main
code = main(sys.argv[1:])
heavy = {"torch", "matplotlib", "sentencepiece", "safetensors", "rich.table"} & set(sys.modules)
print(code, sorted(heavy), file=sys.stderr)
"""


def test_old_names_are_understood_and_the_new_ones_named(
    trained: Path, corpus: Path, tmp_path: Path, capsys: Any
) -> None:
    code, first, err = run(capsys, "sample", trained, "--n", "2", *STEPS)
    assert code == 0
    assert "--n is called --samples now" in err
    assert run(capsys, "sample", trained, "--samples", "2", *STEPS)[1] == first
    for verb, words in (("complete", ["The class"]), ("infill", ["a ___ b"])):
        assert run(capsys, verb, trained, *words, "--n", "1", *STEPS)[0] == 0
    found = []
    for split in ("valid", "val"):
        out = tmp_path / f"{split}.json"
        options = ("--split", split, "--n", "0", "--windows", "4", "--out", out)
        code, _, err = run(capsys, "evaluate", trained, *options)
        assert code == 0, err
        found.append(json.loads(out.read_text())["tables"][0]["rows"])
    assert found[0] == found[1]
    out = tmp_path / "out"
    old = ("--self-conditioning", "0.25", "--updates", "2", "--batch", "4", "--length", "8")
    code, _, err = run(capsys, "train", corpus, "--out", out, *old)
    assert code == 0, err
    settings = json.loads((out / "config.json").read_text())
    assert settings["objective"]["self_cond"] == 0.25
    assert (settings["train"]["steps"], settings["train"]["batch_size"]) == (2, 4)


def test_a_run_of_the_version_before_is_opened_and_its_settings_can_be_given_again(
    trained: Path, corpus: Path, tmp_path: Path, capsys: Any
) -> None:
    old = of_first_release(trained, tmp_path / "old")
    settings = json.loads((old / "config.json").read_text())
    objective, tokens = settings["objective"], settings["tokens"]
    objective["self_conditioning"] = objective.pop("self_cond")
    del tokens["fingerprint"]
    settings["corpus"] = {
        k: settings["corpus"][k] for k in ("field", "vocab_size", "tokenizer", "pair_bits")
    }
    (old / "config.json").write_text(json.dumps(settings))
    assert opened(old).method.objective.self_cond == 0.5
    texts = [run(capsys, "sample", r, "--samples", "1", *STEPS)[1] for r in (trained, old)]
    assert texts[0] == texts[1]
    assert run(capsys, "evaluate", old, "--samples", "0", "--windows", "4")[0] == 0
    # The options file of that version has groups where this one's has others.
    file = tmp_path / "old.yaml"
    file.write_text("objective:\n  length: 8\n  self_conditioning: 0.25\ntrain:\n  updates: 2\n")
    code, _, err = run(capsys, "train", corpus, "--out", tmp_path / "new", "--config", file)
    assert code == 0, err
    again = json.loads((tmp_path / "new" / "config.json").read_text())
    assert (again["objective"]["length"], again["objective"]["self_cond"]) == (8, 0.25)
    assert again["train"]["steps"] == 2


def test_other_text_is_refused_though_there_is_as_much_of_it(
    trained: Path, corpus: Path, tmp_path: Path, capsys: Any
) -> None:
    """Of a run from before there was a fingerprint too."""
    other = tmp_path / "other"
    shutil.copytree(corpus, other)
    ids = bytearray((other / "train.bin").read_bytes())
    ids[0:2], ids[2:4] = ids[2:4], ids[0:2]
    assert ids != (other / "train.bin").read_bytes()
    (other / "train.bin").write_bytes(ids)
    manifest = json.loads((other / "corpus.json").read_text())
    manifest["splits"]["train"]["sha256"] = hashlib.sha256(ids).hexdigest()
    (other / "corpus.json").write_text(json.dumps(manifest))
    code, _, err = run(capsys, "evaluate", trained, "--data", other, "--samples", "0")
    assert code == 2
    assert "not the texts of" in err
    cut = ("train", other, "--out", tmp_path / "cut", *QUICK)
    shutil.copytree(trained, tmp_path / "cut")
    (tmp_path / "cut" / "done.json").unlink()
    code, _, err = run(capsys, *cut)
    assert code == 2
    assert str(tmp_path / "cut") in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["--help"], 0),
        (["train", "--help"], 0),
        (["evaluate", "--help"], 0),
        (["complete", "--help"], 0),
        (["train", "--out", "o", "--lenght", "8"], 2),
        (["train", "--out", "o", "--network", "huge"], 2),
        (["sample", "run", "--lead", "2"], 2),
    ],
)
def test_help_and_mistakes_need_no_heavy_library(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments],
        capture_output=True, text=True, check=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == f"{code} []"
    assert not list(tmp_path.iterdir())
