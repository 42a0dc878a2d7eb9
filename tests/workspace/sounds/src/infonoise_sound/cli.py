"""infonoise-sound: the verbs that core makes of a domain."""

import sys
from collections.abc import Sequence

from infonoise_core.app.interface import Interface, run_program
from infonoise_sound import __version__
from infonoise_sound.options import SoundOptions

INTERFACE = Interface(
    program="infonoise-sound",
    version=__version__,
    domain="infonoise_sound.domain:SoundDomain",
    examples="sounds",
    data="sines",
    data_help="a .npy file of sounds (n, 16), or sines",
    sample_out=".npy file to write",
    options=SoundOptions,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `infonoise-sound`."""
    return run_program(INTERFACE, argv)


if __name__ == "__main__":
    sys.exit(main())
