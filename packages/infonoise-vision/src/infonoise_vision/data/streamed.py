"""Images that are decoded when they are asked for, of sets that fit into no memory.

They stand in the place of an array: with a shape, and rows that can be taken. What a set says of
itself as a whole (its channels) is taken from some images, evenly spaced.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard, cast

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.training.data.by_shard import stretches
from infonoise_vision.data.formats.source import Bytes, Content, Pixels, Rows, Source
from infonoise_vision.data.split import divide, target

if TYPE_CHECKING:
    from infonoise_vision.data.formats.encoded import Encoded

# Of which the channels are taken.
_LOOKED_AT = 64
LEVELS = 256


@dataclass(frozen=True, eq=False)
class Streamed:
    """Some images of a source, each decoded anew whenever it is taken.

    Attributes:
        rows: (n,) where they stand in the source.
        size: Cut the centred square out of each and bring it to size x size; None for as it is.
        image: (c, h, w) of each. Grey ones among coloured fill all three channels.
    """

    source: "Encoded"
    rows: Rows
    size: int | None
    image: tuple[int, int, int]

    ndim = 4
    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, c, h, w)."""
        return len(self.rows), *self.image

    @property
    def shards(self) -> list[int]:
        """How many of the images lie in each shard of the source, in their order."""
        if self.source.shards is None:
            return stretches(len(self))
        counts = Counter(self.source.shards[self.rows].tolist())
        return [counts[shard] for shard in sorted(counts)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Rows | slice | int) -> Bytes:
        """(k, c, h, w), or (c, h, w) of one; InputError for a file that cannot be read."""
        from infonoise_vision.data.formats.metadata import quiet

        wanted = np.atleast_1d(self.rows[index])
        ascending, back = np.unique(wanted, return_inverse=True)
        decoded = np.empty((len(ascending), *self.image), np.uint8)
        with quiet():
            contents = self.source.contents(ascending)
            for place, row, content in zip(decoded, ascending, contents, strict=True):
                place[...] = self._fitting(content, self.source.where[int(row)])
        found: Bytes = decoded[back]
        return found[0] if np.ndim(self.rows[index]) == 0 else found

    def take(self, rows: Rows) -> Pixels:
        """The same of some of them: nothing is decoded."""
        return _as_pixels(Streamed(self.source, self.rows[rows], self.size, self.image))

    def _fitting(self, content: Content, where: str) -> Bytes:
        pixels = _decoded(content, where, self.size)
        channels, height, width = self.image
        if pixels.shape[1:] != (height, width):
            raise InputError(
                f"{where}: is {pixels.shape[2]}x{pixels.shape[1]} pixels and others are"
                f" {width}x{height}: bring all images to one size with --size N"
            )
        if len(pixels) > channels:
            raise InputError(
                f"{where}: is in colour, and {_LOOKED_AT} others that were looked at are grey;"
                " make all grey or all coloured, or leave --stream out"
            )
        return pixels


def streamed(source: Source, rows: Rows, size: int | None) -> Pixels:
    """The images at ascending `rows` of a source.

    Raises:
        InputError: For a source of which no single image can be read by itself.
    """
    # They load Pillow, which whoever trains on arrays does without.
    from infonoise_vision.data.formats.encoded import Encoded
    from infonoise_vision.data.formats.metadata import quiet

    if not isinstance(source, Encoded) or not source.apart:
        raise InputError(
            f"{source.name}: --stream reads folders, plain tar shards and data sets of Hugging Face"
            " (hf:NAME, save_to_disk), image by image; leave it out, or unpack what is packed"
        )
    looked_at = rows[np.unique(np.linspace(0, len(rows) - 1, _LOOKED_AT).round().astype(int))]
    with quiet():
        names = [source.where[int(row)] for row in looked_at]
        contents = zip(source.contents(looked_at), names, strict=True)
        some = [_decoded(content, name, size) for content, name in contents]
    image = (max(len(pixels) for pixels in some), *some[0].shape[1:])
    return _as_pixels(Streamed(source, rows, size, cast(tuple[int, int, int], image)))


def shards_of(pixels: Pixels) -> list[int]:
    """How many images lie together, in their order: in a file, or as neighbours in an array."""
    return pixels.shards if _is_streamed(pixels) else stretches(len(pixels))


def taken(pixels: Pixels, rows: Rows) -> Pixels:
    """Some of the images."""
    return pixels.take(rows) if _is_streamed(pixels) else pixels[rows]


def divided(name: str, pixels: Pixels, held_out: float | None, seed: int) -> tuple[Rows, Rows]:
    """As `split.divide`, but of streamed images without a look at them, so without their copies."""
    if not _is_streamed(pixels):
        return divide(name, pixels, held_out, seed)
    n = len(pixels)
    chosen = np.zeros(n, bool)
    chosen[np.random.default_rng(seed).permutation(n)[: target(name, n, held_out)]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _is_streamed(pixels: object) -> TypeGuard[Streamed]:
    return isinstance(pixels, Streamed)


def _decoded(content: Content, where: str, size: int | None) -> Bytes:
    """Of a file with 8 bits: the scale of larger numbers is that of all files together."""
    from infonoise_vision.data.formats.decode import AS_IT_IS, BYTES, decode_content

    image = decode_content(content, where, size)
    if image.kept not in (BYTES, AS_IT_IS, None):
        raise InputError(
            f"{where}: holds values of more than 8 bits, whose scale all images decide; save them"
            " with 8 bits, or leave --stream out"
        )
    return image.pixels


def _as_pixels(images: Streamed) -> Pixels:
    # Whoever has them asks for a shape and for rows, and both are here.
    return cast(Pixels, images)
