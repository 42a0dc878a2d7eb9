"""Images in files of their own, decoded one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords
from infonoise_vision.data.formats.arrays import black_or_white
from infonoise_vision.data.formats.decode import AS_IT_IS, HIGH_BYTE, decode_content
from infonoise_vision.data.formats.source import (
    Bytes,
    Content,
    Labels,
    NewArray,
    Progress,
    Read,
    Rows,
    chunks,
)

# What fits into 12 bits and was stored in 16 keeps no more than 16 grey levels.
_NEARLY_BLACK = 15


@dataclass(frozen=True, eq=False)
class Encoded:
    """Images in files of their own, in a folder or an archive.

    Attributes:
        where: (n,) what to call each in a message.
        contents: Ascending rows -> their bytes, or the error of one that cannot be read.
    """

    name: str
    where: Sequence[str]
    contents: Callable[[Rows], Iterator[Content]]
    labels: Labels = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.where)

    def read(
        self,
        rows: Rows,
        size: int | None,
        new: NewArray,
        progress: Progress | None,
        bad: BadRecords,
    ) -> Read:
        where = [self.where[i] for i in rows]
        pixels, kept = decode_files(where, self.contents(rows), size, new, progress, bad)
        return Read(pixels, black_or_white(pixels), rows[kept])


def decode_files(
    where: Sequence[str],
    contents: Iterator[Content],
    size: int | None,
    new: NewArray,
    progress: Progress | None,
    bad: BadRecords,
) -> tuple[Bytes, list[int]]:
    """Decode files in order.

    Args:
        where: (n,) names for messages.
        contents: (n,) what the files hold.
        size: Cut the centred square out of each and bring it to size x size.
        new: Makes the array to fill.
        progress: Called with (done, n) after each file.
        bad: Counts the files that cannot be read, or have another size than the first.

    Returns:
        (k, c, h, w), c = 1 if every image is grey, else 3, and which of the n files these are.

    Raises:
        InputError: Where there are too many bad files, or no other, and where the values of more
            than 8 bits have no one scale, or one that leaves all images nearly black.
    """
    pixels: Bytes | None = None
    kept: list[int] = []
    scales = _Scales()
    for i, (name, content) in enumerate(zip(where, contents, strict=True)):
        try:
            image = decode_content(content, name, size)
            if pixels is not None:
                _refuse_other_size(where[kept[0]], pixels, name, image.pixels)
        except InputError as error:
            if not bad.limit:
                raise
            # By its name: the parts of a source count their files from 0, each.
            bad.count(hash(name), name, str(error).removeprefix(f"{name}: "))
            image = None
        if image is not None:
            scales.note(name, image.kept)
            pixels = _placed(image.pixels, pixels, len(kept), len(where), new)
            kept.append(i)
        if progress is not None:
            progress(i + 1, len(where))
    if pixels is None:
        raise InputError(f"{where[0]} and all others: cannot be read; give images")
    scales.refuse_nearly_black(where[kept[0]], pixels[: len(kept)])
    return pixels[: len(kept)], kept


class _Scales:
    """How values of more than 8 bits were brought to 8, over a whole set."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def note(self, name: str, kept: str | None) -> None:
        if kept is not None:
            self._first.setdefault(kept, name)
        if AS_IT_IS in self._first and HIGH_BYTE in self._first:
            raise InputError(
                f"{self._first[AS_IT_IS]} holds 32-bit values up to 255 but"
                f" {self._first[HIGH_BYTE]} larger ones, so they have no one scale;"
                " save all with 8 bits"
            )

    def refuse_nearly_black(self, first: str, pixels: Bytes) -> None:
        if [*self._first] != [HIGH_BYTE]:
            return
        if max(int(part.max()) for part in chunks(pixels)) <= _NEARLY_BLACK:
            raise InputError(
                f"{first} and all others: hold 16-bit values below 4096 of 65535, whose high bytes"
                " are nearly black; spread them over 0..65535, or save them with 8 bits"
            )


def _refuse_other_size(first: str, pixels: Bytes, name: str, image: Bytes) -> None:
    height, width = pixels.shape[2:]
    if image.shape[1:] != (height, width):
        other = f"{image.shape[2]}x{image.shape[1]}"
        raise InputError(
            f"{first} is {width}x{height} pixels but {name} is {other}: "
            "bring all images to one size with --size N"
        )


def _placed(image: Bytes, pixels: Bytes | None, place: int, n: int, new: NewArray) -> Bytes:
    """The array with an image at its place; another one with colours after the first of them."""
    if pixels is None:
        pixels = new((n, *image.shape))
    if len(image) > pixels.shape[1]:
        coloured = new((n, 3, *pixels.shape[2:]))
        coloured[:place] = pixels[:place]
        pixels = coloured
    pixels[place] = image  # a grey image among coloured ones fills all three channels
    return pixels
