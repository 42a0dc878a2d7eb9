"""What is learned of sounds, in a module without torch: --help reads it."""

from dataclasses import dataclass

from infonoise_core.errors import InputError


@dataclass(frozen=True)
class SoundOptions:
    """Sounds and what is learned of them."""

    width: int = 16
    """of the hidden layer"""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise InputError(f"--width {self.width}: give at least 1")
