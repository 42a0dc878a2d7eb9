"""infonoise-vision: the verbs of every domain, and its own, such as prepare and inpaint."""

import sys

from infonoise_core.app.interface import run_program
from infonoise_vision.interface import INTERFACE


def main(argv: list[str] | None = None) -> int:
    """Entry point of `infonoise-vision`."""
    return run_program(INTERFACE, argv)


if __name__ == "__main__":
    sys.exit(main())
