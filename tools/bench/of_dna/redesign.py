"""How good redesigned sequences are: planted ones, of which a part is kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from comparisons import QUICK_STEPS
from infonoise_bio.alphabet import MASKED, Codes, codes_of, letters_of
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.fasta import read_fasta, write_fasta
from infonoise_bio.data.formats.record import Record
from infonoise_bio.synthetic import DEMO, Planted, PlantedDna, demo_sequences, holds
from of_dna.designs import FITS, SHORT, command
from report import Cell, Goal, Section, Table
from suite import WORK, Tick

UPDATES, EACH = 3000, 4


@dataclass(frozen=True)
class Case:
    """label: a class of the generator.  consensus: of one of its motifs.  keep: that motif's
    window, or all but that window.  sought: the consensus of the motif that is looked for in what
    was designed.
    """

    label: str
    consensus: str
    keep: Literal["it alone", "all else"]
    sought: str

    @property
    def source(self) -> PlantedDna:
        return DEMO[self.label]

    def window(self, consensus: str) -> Planted:
        return next(w for w in self.source.planted if w.consensus == consensus)

    def free(self) -> np.ndarray:
        """(L,) where bases may change."""
        window = self.window(self.consensus)
        inside = np.zeros(self.source.length, bool)
        inside[window.start : window.start + window.width] = True
        return inside if self.keep == "all else" else ~inside


CASES = (
    Case("housekeeping", "TTGACA", "it alone", "TATAAT"),
    Case("housekeeping", "TATAAT", "all else", "TATAAT"),
    Case("induced", "TGTGA", "it alone", "TATAAT"),
    Case("induced", "TGTGA", "all else", "TGTGA"),
)


@dataclass(frozen=True)
class Redesigned:
    """kept: share of given bases that came out unchanged. rate, planted: how often the motif
    that is looked for stands in its window, and the exact share. bits, exact: for each designed
    base, -log2 of the generator's probability, and its entropy.
    """

    case: Case
    kept: float
    rate: float
    planted: float
    bits: float
    exact: float


def redesign(quick: bool, seed: int, tick: Tick) -> Section:
    """Train with bases given, then `infill` held-out sequences of which a part is hidden.

    The windows of the generator are independent of each other: whatever is kept, the rest has the
    distribution it has without.
    """
    run = WORK / f"bio-infill-planted{'-quick' if quick else ''}"
    steps = QUICK_STEPS if quick else UPDATES
    train = ["train", "planted", "--strand", "forward", "--infill", "0.5", *SHORT]
    if not (run / "done.json").exists():
        tick("train")
        command([*train, "--out", str(run), "--steps", str(steps), "--seed", str(seed)])
    found = []
    for case in CASES:
        tick(f"{case.label}, {case.consensus}: {case.keep}")
        found.append(_redesigned(case, run, 20 if quick else 200))
    rows: list[list[Cell]] = [
        [f"{at.case.consensus}, {at.case.label}: {at.case.keep}", at.kept, at.case.sought, at.rate,
         at.planted, at.bits, at.exact]
        for at in found
    ]  # fmt: skip
    columns = ["kept", "unchanged", "motif looked for", "designed", "planted", "bits per base",
               "entropy"]  # fmt: skip
    table = Table(
        f"{EACH} designs for each held-out sequence",
        f"`infonoise-bio {' '.join(train)}`, {steps} steps. Of held-out sequences a motif's"
        " window is kept alone, or all but it. Designed and planted: the share that holds the motif"
        " in its window; bits per base: -log2 of the generator's probability of designed bases.",
        columns, rows, {"unchanged": ".1%", **dict.fromkeys(columns[3:], ".4f")},
    )  # fmt: skip
    return Section("Redesign around what is kept", [table], _goals(found))


def _goals(found: Sequence[Redesigned]) -> list[Goal]:
    return [
        Goal("given bases that came out unchanged, least share", min(at.kept for at in found),
             "equal to", 1.0, ".1%"),
        Goal("designed motifs: mean deviation from the planted rate",
             fmean(abs(at.rate / at.planted - 1) for at in found), "at most", 0.1, ".1%"),
        Goal("bits per designed base: mean deviation from the generator's entropy",
             fmean(abs(at.bits / at.exact - 1) for at in found), "at most", 0.02, ".1%"),
    ]  # fmt: skip


def _redesigned(case: Case, run: Path, most: int) -> Redesigned:
    """Through `infill`, from FASTA to FASTA, in a folder beside the run."""
    sequences = demo_sequences().part("test")
    of_class = sequences.codes[sequences.labels == sequences.classes.index(case.label)][:most]
    free = case.free()
    templates = np.where(free, MASKED, of_class).astype(np.uint8)
    source, out = run / "templates.fa", run / "redesigned.fa"
    # All Ns stay, those at the end too.
    rows = enumerate(letters_of(templates))
    write_fasta(source, (Record(f"template_{i}", row.encode(), {}, source) for i, row in rows))
    command([
        "infill", str(run), str(source), "--out", str(out), "--overwrite", "--label", case.label,
        "--each", str(EACH), *FITS,
    ])  # fmt: skip
    found = [codes_of(record.letters) for record in read_fasta(out, Counts())]
    codes = np.stack([np.frombuffer(row, np.uint8) for row in found])
    given = np.repeat(templates, EACH, axis=0)
    window = case.window(case.sought)
    part = torch.from_numpy(codes)[:, window.start : window.start + window.width]
    bits, exact = _bits(case, codes)
    return Redesigned(
        case,
        float((codes == given)[:, ~free].mean()),
        float(holds(part, window).double().mean()),
        case.source.rate(window),
        bits,
        exact,
    )


def _bits(case: Case, codes: Codes) -> tuple[float, float]:
    """Per designed base: -log2 p of the generator, and its entropy."""
    window, source = case.window(case.consensus), case.source
    p = source.contents(window)
    nats = -p[_number(torch.from_numpy(codes), window)].log()
    entropy = -float(torch.xlogy(p, p).sum())
    if case.keep == "it alone":
        nats = -source.log_prob(torch.from_numpy(codes)) - nats
        entropy = source.entropy() - entropy
    unit = case.free().sum() * math.log(2)
    return float(nats.mean() / unit), float(entropy / unit)


def _number(codes: Tensor, window: Planted) -> Tensor:
    """(n,) of what the window holds, as `contents` counts."""
    part = codes[:, window.start : window.start + window.width].long()
    return (part * 4 ** torch.arange(window.width - 1, -1, -1)).sum(1)
