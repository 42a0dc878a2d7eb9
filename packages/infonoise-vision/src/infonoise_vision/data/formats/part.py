"""Some of the folders of a container, as a container."""

from collections.abc import Iterator, Sequence

from infonoise_vision.data.formats.containers import Container
from infonoise_vision.data.formats.source import Content


class Part:
    """The files of a container below some of its folders.

    Attributes:
        path, names, notes: As of a container; the names are those below `around`.
        whole: That container.
        beside: Names of its other files, below `around` too.
        only: The folder that all are in, with a slash behind; empty where there are several.
    """

    def __init__(
        self, container: Container, around: str, folders: Sequence[str], keep: Sequence[int] = ()
    ) -> None:
        """`folders` below `around`, each of the two with a slash behind; `keep` are further files.

        Args:
            keep: Places of notes about all parts.
        """
        self.path = container.path / around
        self.whole = container
        starts = tuple(f"{around}{folder}" for folder in folders)
        names, further = container.names, {*keep}
        self._places = [i for i, n in enumerate(names) if n.startswith(starts) or i in further]
        self.names = [names[i].removeprefix(around) for i in self._places]
        at = {place: i for i, place in enumerate(self._places)}
        self.notes = {at[i]: note for i, note in container.notes.items() if i in at}
        self.only = folders[0] if len(folders) == 1 else ""
        self.beside = [name.removeprefix(around) for i, name in enumerate(names) if i not in at]

    @property
    def apart(self) -> bool:
        """As of the container."""
        return self.whole.apart

    def where(self, place: int) -> str:
        """As the container calls it."""
        return self.whole.where(self._places[place])

    def contents(self, places: Sequence[int]) -> Iterator[Content]:
        """As the container reads them."""
        return self.whole.contents([self._places[place] for place in places])
