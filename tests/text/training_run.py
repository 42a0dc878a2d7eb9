"""Training commands, which the tests start in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

from infonoise_text.cli import main


def launch(commands: list[list[str]], world: int) -> None:
    """Run the commands, one after another, in `world` processes that know of each other."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
    done = subprocess.run(
        [sys.executable, *launcher, __file__, json.dumps(commands)],
        capture_output=True, text=True, check=False, timeout=600, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    for command in json.loads(sys.argv[1]):
        code = main(command)
        if code:
            sys.exit(code)
