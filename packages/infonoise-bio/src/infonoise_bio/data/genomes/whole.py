"""What windows are cut out of: a sequence in memory, or one that is read where it is asked for."""

from typing import Protocol

from infonoise_bio.data.formats.regions import Letters


class Whole(Protocol):
    """A sequence that windows are cut out of; `formats.record.Record` is one."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def letters(self) -> Letters:
        """Its letters."""

    @property
    def where(self) -> str:
        """How error messages call it."""

    @property
    def circular(self) -> bool:
        """Whether it goes on across its end."""
