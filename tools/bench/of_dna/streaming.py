"""Memory of the commands that work through any number of sequences: flat, whatever their number."""

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infonoise_bio.alphabet import letters_of
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.domain import DnaDomain
from infonoise_bio.interface import INTERFACE
from infonoise_bio.methods.diffusion import DnaTask
from infonoise_bio.methods.options import DnaOptions, Objective
from infonoise_bio.methods.recipe import encoding_of, weight_of
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.denoiser import make_denoiser
from infonoise_bio.models.options import NetworkConfig
from infonoise_core.app.options import TrainOptions
from infonoise_core.app.train import run_train
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.training.config import TrainConfig
from report import Cell, Goal, Section, Table
from suite import Tick

LENGTH = 1_000
_MODEL = ModelConfig(LENGTH, NetworkConfig(width=16, depth=1))
# Bases of a record that is scored: its middle is, and all of it is read.
LONG = 6_000
NUMBERS, QUICK_NUMBERS = (10_000, 100_000), (50, 500)
# Sequences at a time: fewer than there are at least.
CHUNK, QUICK_CHUNK = 256, 16
MIB = 2**20
# What is freed goes back to the system at once: else the peak says how well the allocator's pieces
# happened to fit. One thread, for each has an arena of its own.
_SETTING = {
    "MALLOC_MMAP_THRESHOLD_": str(2**18),
    "MALLOC_TRIM_THRESHOLD_": "0",
    "OMP_NUM_THREADS": "1",
}
_PEAK = Path(__file__).with_name("peak.py")


@dataclass(frozen=True)
class Use:
    """What a command took.

    Attributes:
        peak: Bytes of memory at most.
        read, written: Bytes of its files.
        lines: Of progress.
    """

    number: int
    peak: int
    read: int
    written: int
    lines: int


def streaming(quick: bool, seed: int, tick: Tick) -> Section:
    """`sample` and `score` on ten times as many sequences, each in a process of its own.

    And `score` on a tenth as many variants, each of which is two sequences.
    """
    numbers, chunk = (QUICK_NUMBERS, QUICK_CHUNK) if quick else (NUMBERS, CHUNK)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tick("train")
        run = tiny_run(folder, seed)
        used: dict[str, list[Use]] = {"sample": [], "score": [], "score --vcf": []}
        for n in numbers:
            tick(f"sample {n:,}")
            used["sample"].append(_sample(run, n, chunk, folder))
            tick(f"score {n:,}")
            used["score"].append(_score(run, n, chunk, folder, seed))
            tick(f"score {n // 10:,} variants")
            used["score --vcf"].append(_variants(run, n // 10, chunk, folder, seed))
    rows: list[list[Cell]] = [
        [command, use.number, use.read / MIB, use.written / MIB, use.peak / MIB, use.lines]
        for command, uses in used.items()
        for use in uses
    ]
    table = Table(
        f"Designs of {LENGTH:,} bases, records of {LONG:,}, variants of one of {10 * LONG:,}",
        "Peak memory of the whole process, most of which is Python and torch. `score` reads all of"
        " a record and scores its middle. A network of one narrow layer and few levels: what it"
        " takes to pass many sequences through is the same for a larger one.",
        ["command", "sequences", "MiB read", "MiB written", "peak MiB", "lines of progress"],
        rows,
        dict.fromkeys(("MiB read", "MiB written", "peak MiB"), ".1f"),
    )
    return Section("Memory at any number of sequences", [table], _goals(used, quick))


def _goals(used: dict[str, list[Use]], quick: bool) -> list[Goal]:
    goals = [
        Goal(f"{command}: peak memory at ten times as many sequences, over that at a tenth",
             many.peak / few.peak, "at most", 1.05, ".3f")
        for command, (few, many) in used.items()
    ]  # fmt: skip
    if quick:  # few sequences need less than the peak of equal processes differs
        return goals
    goals += [
        Goal(f"{command}: bytes of memory for each base that was written or read more",
             (many.peak - few.peak) / _bases(command, many, few), "at most", 0.5, ".3f",
             "Peaks of equal processes differ by some MiB; held bases are one byte each at least.")
        for command, (few, many) in used.items()
        if command != "score --vcf"
    ]  # fmt: skip
    largest = used["score"][-1]
    return [
        *goals,
        Goal("score: size of the file it has read, over its peak memory",
             largest.read / largest.peak, "at least", 1.0, ".2f"),
    ]  # fmt: skip


def _bases(command: str, many: Use, few: Use) -> int:
    return (many.number - few.number) * (LENGTH if command == "sample" else LONG)


class _Tiny(DnaDomain):
    """DNA with a network smaller than those that `train` offers."""

    def task(self, data: SequenceSet, options: DnaOptions, seed: int) -> DnaTask:
        objective, encoding = options.objective, encoding_of(options.objective)
        denoiser = make_denoiser(_MODEL, encoding, seed)
        return DnaTask(data.part("train"), denoiser, weight_of(objective), objective.strand)

    def model_settings(self, data: SequenceSet, options: DnaOptions) -> dict[str, Any]:
        return {"model": settings_of(_MODEL)}


def tiny_run(folder: Path, seed: int) -> Path:
    """What `infonoise-bio train` leaves behind, of a small network."""
    data, out = folder / "training.fa", folder / "run"
    write_random(data, 64, LENGTH, seed)
    command = TrainOptions(
        out=out, options=DnaOptions(Objective("forward")), data=str(data), schedule="log-uniform",
        train=TrainConfig(steps=4, batch_size=16, save_every=4, eval_every=0, seed=seed),
    )  # fmt: skip
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        run_train(_Tiny(INTERFACE), command)
    return out


def write_random(out: Path, n: int, length: int, seed: int) -> None:
    """FASTA of n sequences of independent bases, a line each."""
    rng = np.random.default_rng(seed)
    with out.open("w") as handle:
        for i in range(n):
            (letters,) = letters_of(rng.integers(0, 4, (1, length), dtype=np.uint8))
            handle.write(f">r{i}\n{letters}\n")


def _sample(run: Path, n: int, chunk: int, folder: Path) -> Use:
    out = folder / "designs.fa"
    peak, lines = peak_of([
        "sample", str(run), "--out", str(out), "--overwrite", "--samples", str(n),
        "--chunk", str(chunk),
        "--steps", "2", "--grid", "karras", "--solver", "euler", "--churn", "0", "--churn", "0",
    ])  # fmt: skip
    if out.read_bytes().count(b">") != n:
        raise InputError(f"infonoise-bio sample --samples {n}: wrote another number of sequences")
    return Use(n, peak, 0, out.stat().st_size, lines)


def _score(run: Path, n: int, chunk: int, folder: Path, seed: int) -> Use:
    data, out = folder / "long.fa", folder / "scores.tsv"
    write_random(data, n, LONG, seed)
    peak, lines = peak_of([
        "score", str(run), str(data), "--out", str(out), "--overwrite", "--chunk", str(chunk),
        "--window", str(LENGTH), "--levels", "4",
    ])  # fmt: skip
    if out.read_bytes().count(b"\n") != n + 1:
        raise InputError(f"infonoise-bio score of {n} sequences: wrote another number of rows")
    return Use(n, peak, data.stat().st_size, out.stat().st_size, lines)


def _variants(run: Path, n: int, chunk: int, folder: Path, seed: int) -> Use:
    genome, data, out = folder / "genome.fa", folder / "variants.vcf", folder / "variants.tsv"
    write_random(genome, 1, 10 * LONG, seed)
    contig = genome.read_text().splitlines()[1]
    write_variants(data, contig, n, seed)
    peak, lines = peak_of([
        "score", str(run), "--vcf", str(data), "--genome", str(genome), "--out", str(out),
        "--overwrite", "--chunk", str(chunk), "--levels", "4",
    ])  # fmt: skip
    if out.read_bytes().count(b"\n") != n + 1:
        raise InputError(f"infonoise-bio score of {n} variants: wrote another number of rows")
    return Use(n, peak, data.stat().st_size, out.stat().st_size, lines)


def write_variants(out: Path, contig: str, n: int, seed: int) -> None:
    """VCF of n changes of one letter of the contig r0, far enough from its ends for a window."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.integers(LENGTH, len(contig) - LENGTH, n))
    with out.open("w") as handle:
        handle.write("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for i, place in enumerate(places):
            old = contig[place]
            new = "ACGT".replace(old, "")[int(rng.integers(3))]
            handle.write(f"r0\t{place + 1}\tv{i}\t{old}\t{new}\t.\t.\t.\n")


def peak_of(arguments: Sequence[str]) -> tuple[int, int]:
    """Bytes that an infonoise-bio command took at most, and its lines of progress."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "peak.txt"
        command = [sys.executable, "-m", "infonoise_bio.cli", *arguments]
        done = subprocess.run(
            [sys.executable, str(_PEAK), str(report), *command],
            capture_output=True, text=True, env={**os.environ, **_SETTING},
        )  # fmt: skip
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise InputError(f"infonoise-bio {' '.join(arguments)}: {' '.join(last)}")
        lines = re.findall(rf"^{arguments[0]}: \d+/\d+ ", done.stderr, re.MULTILINE)
        return int(report.read_text()), len(lines)
