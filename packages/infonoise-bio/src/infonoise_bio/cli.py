"""The command `infonoise-bio`: the verbs of every domain, and those that only DNA has."""

import sys

from infonoise_bio.interface import INTERFACE
from infonoise_core.app.interface import run_program


def main(argv: list[str] | None = None) -> int:
    """Entry point of `infonoise-bio`."""
    return run_program(INTERFACE, argv)


if __name__ == "__main__":
    sys.exit(main())
