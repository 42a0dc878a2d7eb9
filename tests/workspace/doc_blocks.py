"""Blocks of code in Markdown pages, and how the tests run them."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[2]
MARKED = re.compile(
    r"^<!-- test: (?P<name>[\w-]+) -->\n```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
FENCED = re.compile(
    r"^```(?P<language>python|console)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
PROGRAMS = {
    "infonoise": "infonoise_core",
    "infonoise-vision": "infonoise_vision",
    "infonoise-text": "infonoise_text",
    "infonoise-bio": "infonoise_bio",
}


def run_python(code: str, name: str, variables: dict[str, Any]) -> None:
    """Execute a block with these variables, to which it adds its own, from seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(compile(code, f"<{name}>", "exec"), variables)


def run_console(code: str, folder: Path, updates: int) -> str:
    """Run the lines after `$ ` one after the other, with --steps cut to so many; what they print.

    Commands of the packages run in this interpreter's environment, whatever is on the path.
    """
    printed = ""
    for line in code.splitlines():
        if not line.startswith("$ "):
            continue
        words = shlex.split(re.sub(r"--steps \d+", f"--steps {updates}", line[2:]))
        call = [sys.executable, "-m", PROGRAMS[words[0]], *words[1:]]
        done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        printed += done.stdout
    return printed
