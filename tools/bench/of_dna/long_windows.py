"""Windows of 1,000 bases around the starts of genes: a network with attention at low resolution."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import Codes, codes_of
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.fasta import read_fasta
from infonoise_bio.data.sequences import load_sequences
from infonoise_bio.evaluation.chains import sampled_by_class
from of_dna.designs import DNA, FITS, Quality, command, needed, quality
from of_dna.goals import long_goals
from report import Cell, Goal, Section, Table
from suite import WORK, Tick

GENOME = DNA / "genomes" / "NC_000913.gbk.gz"
UPSTREAM, DOWNSTREAM = 600, 400
WINDOWS = WORK / "bio-long-windows.fa"
# By the codes of A, C, G, T.
STARTS = ("ATG", "GTG", "TTG")
STOPS = ("TAA", "TAG", "TGA")
# Codons after the start in which a frame is open; genes that are shorter end within.
CODONS = 100
ORDER = 5
# Windows of each kind in which genes are looked for.
SAMPLES = 128

LONG = Quality(
    "bio-quality-long", "Windows of 1,000 bases around the starts of E. coli's genes",
    [
        str(WINDOWS), "--strand", "forward", "--network", "coarse", "--batch-size", "16",
        "--lr-schedule", "cosine",
    ],
    ["--levels", "4", "--samples", "256"], long_goals, steps=1200,
)  # fmt: skip


def long_windows(quick: bool, seed: int, tick: Tick) -> Section:
    """`extract`, `train --network coarse`, `evaluate`, and whether genes begin in designs."""
    if not WINDOWS.exists():
        tick("extract")
        WORK.mkdir(exist_ok=True)
        command([
            "extract", str(needed(GENOME)), "--feature", "CDS", "--around", "start",
            "--upstream", str(UPSTREAM), "--downstream", str(DOWNSTREAM), "--out", str(WINDOWS),
        ])  # fmt: skip
    section = quality(LONG, quick, seed, tick)
    data = load_sequences(WINDOWS)
    training, held_out = data.part("train"), data.part("test")
    tick("sample")
    run = WORK / (f"{LONG.name}-quick" if quick else LONG.name)
    n = 20 if quick else min(SAMPLES, len(held_out))
    held_out = held_out.take(np.arange(n))
    rng = np.random.default_rng(seed)
    sets = {
        "held out": held_out.codes,
        "generated": _designs(run, n, seed),
        "Markov": sampled_by_class(training, held_out, ORDER, rng),
    }
    checks: dict[str, Callable[[Codes], NDArray[np.bool_]]] = {
        f"start codon at {UPSTREAM}": lambda codes: _is(codes, UPSTREAM, STARTS),
        f"start codon, and no stop codon in its frame for {CODONS} codons": _open,
    }
    shares = {
        check: [float(holds(codes).mean()) for codes in sets.values()]
        for check, holds in checks.items()
    }
    rows: list[list[Cell]] = [[check, *found] for check, found in shares.items()]
    table = Table(
        f"Genes in {n} windows",
        f"Share of the windows, which end {DOWNSTREAM} bases after the start. A Markov chain of"
        f" order {ORDER} knows no places, and counts no threes.",
        ["check", *sets],
        rows,
        dict.fromkeys(sets, ".3f"),
    )
    goals = [
        Goal(f"{check}: generated minus held-out share", generated - held, "at least", -0.1, "+.3f",
             f"A short run: {LONG.steps} steps of 16 windows.")
        for check, (held, generated, _) in shares.items()
    ]  # fmt: skip
    return replace(section, tables=[*section.tables, table], goals=[*section.goals, *goals])


def _designs(run: Path, n: int, seed: int) -> Codes:
    out = run / "designs.fa"
    command([
        "sample", str(run), "--out", str(out), "--overwrite", "--samples", str(n),
        "--seed", str(seed), *FITS,
    ])  # fmt: skip
    letters = b"".join(codes_of(record.letters) for record in read_fasta(out, Counts()))
    return np.frombuffer(letters, np.uint8).reshape(n, -1)


def _is(codes: Codes, place: int, codons: tuple[str, ...]) -> NDArray[np.bool_]:
    """(n,) whether one of the codons begins at a place."""
    found = np.zeros(len(codes), bool)
    for codon in codons:
        known = np.frombuffer(codes_of(codon.encode()), np.uint8)
        found |= (codes[:, place : place + 3] == known).all(1)
    return found


def _open(codes: Codes) -> NDArray[np.bool_]:
    places = range(UPSTREAM + 3, UPSTREAM + 3 * CODONS, 3)
    closed = np.stack([_is(codes, place, STOPS) for place in places]).any(0)
    result: NDArray[np.bool_] = _is(codes, UPSTREAM, STARTS) & ~closed
    return result
