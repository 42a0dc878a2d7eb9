"""What each base costs a model, as a track of a genome browser (bedGraph) and as a logo."""

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import BASES
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.region import single_place
from infonoise_bio.evaluation.pictures.logo import draw_letters
from infonoise_bio.evaluation.scores.score import Scorer
from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_core.plot import figure, save_figure
from infonoise_core.shown import printable

# Sequences in a logo at most, and inches of a base.
LOGOS, _INCHES = 8, 0.13

Values = NDArray[np.float64]


def base_bits(
    scorer: Scorer, records: Iterable[Record], label: int | None = None, chunk: int = 64
) -> Iterator[tuple[Record, Values]]:
    """Each record with (L,) bits per base, of which the bound is the sum."""
    stream = iter(records)
    while some := list(islice(stream, chunk)):
        codes, lengths = scorer.codes(some)
        bits = scorer.positions(codes, label, lengths).mean(1) / math.log(2)
        for record, row in zip(some, bits.numpy(), strict=True):
            yield record, row[: len(record)]


def write_track(out: Path, found: Iterable[tuple[Record, Values]]) -> int:
    """A bedGraph of bits per base; where windows overlap, their mean. Returns the bases in it.

    A record whose id says where it lies (chr1:100-200(-)) goes there, any other is a sequence of
    its own. Windows must come in the order of their places.
    """
    with whole_file(out) as file, file.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write('track type=bedGraph name="bits per base"\n')
        number = 0
        for name, start, values in _stretches(found):
            for at, value in enumerate(values.tolist(), start):
                handle.write(f"{name}\t{at}\t{at + 1}\t{value:.4f}\n")
            number += len(values)
    return number


def _stretches(found: Iterable[tuple[Record, Values]]) -> Iterator[tuple[str, int, Values]]:
    """Places that hang together, once each."""
    name, start, seen = "", 0, dict[str, int]()
    total: Values = np.zeros(0)
    times: Values = np.zeros(0)
    for record, values in found:
        where, first, forward = single_place(record)
        known = np.frombuffer(record.letters, np.uint8) != ord("-")
        values = values if forward else values[::-1]
        known = known if forward else known[::-1]
        if where != name or first > start + len(total):
            if len(total):
                yield name, start, total / np.maximum(times, 1)
                seen[name] = start + len(total)
            name, start, total, times = where, first, np.zeros(0), np.zeros(0)
        if first < max(start, seen.get(name, 0)):
            raise InputError(
                f"{record.where}: lies before an earlier one; sort the sequences by place for a"
                " track"
            )
        grown = np.zeros((2, max(len(total), first - start + len(values))))
        grown[:, : len(total)] = total, times
        grown[:, first - start : first - start + len(values)] += np.where(known, values, 0), known
        total, times = grown
    if len(total):
        yield name, start, total / np.maximum(times, 1)


def draw_logos(
    out: Path, found: list[tuple[Record, Values]], cost: Values, *, overwrite: bool
) -> None:
    """The letters of sequences, each as high as the bits by which the model expects it.

    Below the line are letters that it expects less than as independent bases.

    Args:
        out: A picture to write.
        found: At most LOGOS sequences.
        cost: (4,) bits of A C G T as independent bases.
        overwrite: Whether it may be there.
    """
    length = max(len(values) for _, values in found)
    fig, _ = figure(max(4.0, 1 + _INCHES * length), 1.5 * len(found))
    fig.clear()
    heights = [_heights(record, values, cost) for record, values in found]
    low, high = (float(f([f(h) for h in heights])) for f in (np.min, np.max))
    for i, ((record, _), height) in enumerate(zip(found, heights, strict=True)):
        ax = fig.add_subplot(len(found), 1, i + 1)
        draw_letters(ax, height, min(low, -0.05), max(high, 0.05))
        ax.set_title(printable(record.id)[:60], fontsize="small", loc="left")
    save_figure(fig, out, overwrite=overwrite)


def _heights(record: Record, values: Values, cost: Values) -> Values:
    """(L, 4) with the bits that are saved in the letter's own column."""
    heights = np.zeros((len(values), len(BASES)))
    for i, letter in enumerate(record.letters.decode("ascii").upper()):
        if letter in BASES:
            base = BASES.index(letter)
            heights[i, base] = cost[base] - values[i]
    return heights
