"""Images in files of their own, decoded one after the other."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords
from infonoise_vision.data.formats.arrays import black_or_white, say_resized
from infonoise_vision.data.formats.decode import AS_IT_IS, HIGH_BYTE, Decoded, decode_content
from infonoise_vision.data.formats.metadata import quiet
from infonoise_vision.data.formats.source import (
    Bytes,
    Content,
    Half,
    Labels,
    NewArray,
    Progress,
    Read,
    Rows,
    chunks,
)

# Some files ahead keep a few cores at work, and of large photographs little memory.
_THREADS, _AHEAD = 4, 8
# Small files are handed over together: each alone would take as long again.
_TOGETHER, _TOGETHER_BYTES = 16, 1 << 15
# Of files below this mean size Pillow's part is so short that threads only wait for each other.
_ALONE_BYTES = 1 << 12
_Batch = list[tuple[str, Content]]
# What fits into 12 bits and was stored in 16 keeps no more than 16 grey levels.
_NEARLY_BLACK = 15


@dataclass(frozen=True, eq=False)
class Encoded:
    """Images in files of their own, in a folder or an archive.

    Attributes:
        where: (n,) what to call each in a message.
        contents: Ascending rows -> their bytes, or the error of one that cannot be read.
        lone: Where there are no classes, the folder that all images lie in.
        keys: Gives what each is called among the others, (n,) without endings; None where files
            have no names.
        half: Which part of each file is the image; None where it is the whole.
        apart: Whether one can be read without those before it, and quickly.
        shards: (n,) number of the archive that each lies in, ascending; None where there are none.
    """

    name: str
    where: Sequence[str]
    contents: Callable[[Rows], Iterator[Content]]
    labels: Labels = None
    classes: tuple[str, ...] = ()
    lone: str | None = None
    keys: Callable[[], list[str]] | None = None
    half: Half | None = None
    apart: bool = False
    shards: Rows | None = None

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
        pixels, kept = decode_files(where, self.contents(rows), size, new, progress, bad, self.half)
        return Read(pixels, black_or_white(pixels), rows[kept])


def decode_files(
    where: Sequence[str],
    contents: Iterator[Content],
    size: int | None,
    new: NewArray,
    progress: Progress | None,
    bad: BadRecords,
    half: Half | None = None,
) -> tuple[Bytes, list[int]]:
    """Decode files in order.

    Args:
        where: (n,) names for messages.
        contents: (n,) what the files hold.
        size: Cut the centred square out of each and bring it to size x size.
        new: Makes the array to fill.
        progress: Called with (done, n) after each file.
        bad: Counts the files that cannot be read, or have another size than the first.
        half: Take this half of each.

    Returns:
        (k, c, h, w), c = 1 if every image is grey, else 3, and which of the n files these are.

    Raises:
        InputError: Where there are too many bad files, or no other, and where the values of more
            than 8 bits have no one scale, or one that leaves all images nearly black.
    """
    images = _ahead(where, contents, partial(decode_content, size=size, half=half))
    with quiet():
        return _decoded_files(where, images, size, new, progress, bad)


def _decoded_files(
    where: Sequence[str],
    images: Iterator[Decoded | InputError],
    size: int | None,
    new: NewArray,
    progress: Progress | None,
    bad: BadRecords,
) -> tuple[Bytes, list[int]]:
    pixels: Bytes | None = None
    kept: list[int] = []
    scales, sides = _Scales(), []
    for i, (name, image) in enumerate(zip(where, images, strict=True)):
        try:
            if isinstance(image, InputError):
                raise image
            if pixels is not None:
                _refuse_other_size(where[kept[0]], pixels, name, image.pixels)
        except InputError as error:
            if not bad.limit:
                raise
            # By its name: the parts of a source count their files from 0, each.
            bad.count(hash(name), name, str(error).removeprefix(f"{name}: "))
        else:
            scales.note(name, image)
            sides.append(image.side)
            pixels = _placed(image.pixels, pixels, len(kept), len(where), new)
            kept.append(i)
        if progress is not None:
            progress(i + 1, len(where))
    if pixels is None:
        raise InputError(f"{where[0]} and all others: cannot be read; give images")
    scales.refuse_nearly_black(where[kept[0]], pixels[: len(kept)])
    if size is not None:
        say_resized(f"{where[kept[0]]} ...", size, np.array(sides))
    return pixels[: len(kept)], kept


def _ahead(
    where: Sequence[str], contents: Iterator[Content], decode: Callable[[Content, str], Decoded]
) -> Iterator[Decoded | InputError]:
    """Each file decoded, or its error, in order; some are decoded before they are asked for.

    Pillow lets other threads run while it unpacks.
    """

    def decoded(name: str, content: Content) -> Decoded | InputError:
        try:
            return decode(content, name)
        except InputError as error:
            return error

    def all_of(batch: _Batch) -> list[Decoded | InputError]:
        return [decoded(name, content) for name, content in batch]

    with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS)) as pool:
        waiting: deque[Future[list[Decoded | InputError]]] = deque()
        try:
            for batch, size in _batches(where, contents):
                if size < _ALONE_BYTES * len(batch):
                    while waiting:
                        yield from waiting.popleft().result()
                    yield from all_of(batch)
                    continue
                waiting.append(pool.submit(all_of, batch))
                if len(waiting) > _AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(where: Sequence[str], contents: Iterator[Content]) -> Iterator[tuple[_Batch, int]]:
    """Some files, and the bytes that they have together."""
    batch: _Batch = []
    size = 0
    for name, content in zip(where, contents, strict=True):
        batch.append((name, content))
        size += len(content) if isinstance(content, bytes) else 0
        if len(batch) == _TOGETHER or size > _TOGETHER_BYTES:
            yield batch, size
            batch, size = [], 0
    if batch:
        yield batch, size


class _Scales:
    """How values of more than 8 bits were brought to 8, over a whole set."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._dark: list[str] = []

    def note(self, name: str, image: Decoded) -> None:
        kept = image.kept
        if kept == HIGH_BYTE and 0 < image.pixels.max() <= _NEARLY_BLACK:
            self._dark.append(name)
        if kept is not None:
            self._first.setdefault(kept, name)
        if AS_IT_IS in self._first and HIGH_BYTE in self._first:
            raise InputError(
                f"{self._first[AS_IT_IS]} holds 32-bit values up to 255 but"
                f" {self._first[HIGH_BYTE]} larger ones, so they have no one scale;"
                " save all with 8 bits"
            )

    def refuse_nearly_black(self, first: str, pixels: Bytes) -> None:
        alone = [*self._first] == [HIGH_BYTE]
        if alone and max(int(part.max()) for part in chunks(pixels)) <= _NEARLY_BLACK:
            raise InputError(
                f"{first} and all others: hold 16-bit values below 4096 of 65535, whose high bytes"
                " are nearly black; spread them over 0..65535, or save them with 8 bits"
            )
        n = len(self._dark)
        if not n:
            return
        print(
            f"note: {self._dark[0]}{f' and {n - 1} others' if n > 1 else ''}: 16-bit values below"
            " 4096 of 65535, nearly black beside the other images; if they are of 12 bits, multiply"
            " them by 16, or save them with 8 bits",
            file=sys.stderr,
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
