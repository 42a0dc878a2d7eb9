"""Help, version and mistakes on the command line answer without anything heavy being imported."""

import subprocess
import sys

import pytest

from infonoise_bio.interface import INTERFACE
from infonoise_core.app.interface import commands

HEAVY = {"torch", "numpy", "matplotlib", "Bio", "sklearn", "rapidfuzz"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["--help"], 0),
        *(([verb, "--help"], 0) for verb in commands(INTERFACE)),
        (["train", "planted", "--strand", "forward", "--out", "x", "--windw", "4"], 2),
        (["train", "planted", "--strand", "both", "--out", "x", "--cond-dropout", "1.5"], 2),
        (["train", "planted", "--strand", "both", "--out", "x", "--encoding", "hot"], 2),
        (["sample", "run", "--out", "x", "--samples", "0"], 2),
        (["evaluate", "run", "--motif", "M1"], 2),
        (["baselines", "--out", "x"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_no_heavy_module_is_imported(arguments, code):
    program = (
        "import sys\n"
        "from infonoise_bio.cli import main\n"
        f"code = main({arguments!r})\n"
        f"print(code, *sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == str(code)
