"""Run a command and write to a file how much memory it took at most, in bytes.

    python tools/bench/of_dna/peak.py peak.txt infonoise-bio sample run --out designs.fa

A process of its own, and a small one: the kernel counts what a command's parent held when it
started it towards the command's own peak.
"""

import resource
import subprocess
import sys
from pathlib import Path

# macOS counts in bytes, others in units of 1024.
_UNIT = 1 if sys.platform == "darwin" else 1024


def main(arguments: list[str]) -> int:
    """The command's exit status."""
    out, *command = arguments
    status = subprocess.run(command, check=False).returncode
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT
    Path(out).write_text(f"{peak}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
