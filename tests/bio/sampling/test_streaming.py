"""Commands that work through any number of sequences hold a chunk of them at a time."""

import gc
import subprocess
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator

import pytest

from infonoise_bio.data.alleles import alleles, variants_by_chromosome
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.evaluation.scores.effects import Effect, of_alleles, write_effects
from infonoise_bio.sampling import sequences as sample
from infonoise_core.sampling.generate import generate_chunks
from of_dna import peak

LENGTH, CHUNK = 24, 50
FEW, MANY = 2 * CHUNK, 20 * CHUNK


def traced_peak(run: Callable[..., tuple[int, str, str]], *arguments: object) -> int:
    """Bytes of Python and numpy that a command holds at most."""
    gc.collect()
    tracemalloc.start()
    try:
        code, _, told = run(*arguments)
        assert code == 0
        assert "(100%)" in told
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many chunks of tensors there were whenever one was made; tensors are not traced."""
    counted: list[int] = []

    def watched(*arguments: object, **options: object) -> Iterator[object]:
        made: list[weakref.ref] = []
        for part in generate_chunks(*arguments, **options):
            made.append(weakref.ref(part.x))
            counted.append(sum(each() is not None for each in made))
            yield part

    monkeypatch.setattr(sample, "generate_chunks", watched)
    return counted


def test_memory_of_sample_does_not_grow_with_the_number(trained, tmp_path, run, alive):
    ask = ["sample", trained, "--out", tmp_path / "x.fa", "--overwrite", "--chunk", CHUNK,
           "--steps", 1, "--grid", "karras", "--solver", "euler", "--label", "x"]  # fmt: skip
    run(*ask, "--n", CHUNK)  # what is imported on the way is not the sequences'
    few, many = (traced_peak(run, *ask, "--n", n) for n in (FEW, MANY))
    # One byte for each base more would be twice this.
    assert many - few < (MANY - FEW) * LENGTH / 2
    assert (tmp_path / "x.fa").read_text().count(">") == MANY
    assert len(alive) == (CHUNK + FEW + MANY) / CHUNK
    # The one that is written, and the one that comes after it.
    assert max(alive) <= 2


def test_memory_of_sample_from_a_baseline_does_not_grow(baselines, tmp_path, run):
    ask = ["sample", baselines / "masked", "--out", tmp_path / "x.fa", "--overwrite",
           "--chunk", CHUNK, "--steps", 1]  # fmt: skip
    run(*ask, "--n", CHUNK)
    few, many = (traced_peak(run, *ask, "--n", n) for n in (FEW, MANY))
    assert many - few < (MANY - FEW) * LENGTH / 2


def test_memory_of_score_does_not_grow_with_the_file(trained, tmp_path, run, fasta, random_texts):
    """Records of 2000 bases, whose middle is scored."""
    path, out = tmp_path / "long.fa", tmp_path / "x.tsv"
    ask = ["score", trained, path, "--out", out, "--overwrite", "--window", LENGTH,
           "--levels", 4, "--chunk", CHUNK]  # fmt: skip
    (text,) = random_texts(1, 2000)
    fasta(path, [text] * CHUNK)
    run(*ask)
    peaks = []
    few, many = 6 * FEW, MANY + 6 * FEW  # both fill the blocks of a MiB in which files are read
    for n in (few, many):
        fasta(path, [text] * n)
        peaks.append(traced_peak(run, *ask))
    # Ids and scores alone, 100 bytes for each sequence, would be more than this.
    assert peaks[1] - peaks[0] < (many - few) * 50
    assert out.read_text().count("\n") == many + 1


def test_the_benchmark_s_peak_is_that_of_the_command(tmp_path):
    """64 MiB more are seen, in a process whose parent holds far more; so is its exit status."""
    seen = []
    for size in (32, 96):  # MiB, more than the process between them holds
        code = f"x = b'x' * {size * 2**20}"
        report = tmp_path / "peak.txt"
        command = [sys.executable, peak.__file__, str(report), sys.executable, "-c", code]
        subprocess.run(command, check=True)
        seen.append(int(report.read_text()))
    # What else Python holds differs by less than a MiB.
    assert abs(seen[1] - seen[0] - 64 * 2**20) < 2**20
    command[-1] = "raise SystemExit(3)"
    assert subprocess.run(command, check=False).returncode == 3


def test_memory_of_effects_of_variants_does_not_grow_with_their_number(
    tmp_path, fasta, random_texts
):
    """All that `score --vcf` does but the network's part, which is done chunk by chunk."""
    few, many = 200, 3000
    (text,) = random_texts(1, many + 200)
    genome = fasta(tmp_path / "g.fa", [text])
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    peaks = []
    for number in (few, few, many):  # the first: what is imported on the way
        vcf, out = tmp_path / f"{number}.vcf", tmp_path / f"{number}.tsv"
        places = range(100, 100 + number)
        vcf.write_text("".join(f"r0\t{p + 1}\tv{p}\t{text[p]}\t{other[text[p]]}\n" for p in places))
        gc.collect()
        tracemalloc.start()
        variants = variants_by_chromosome(vcf, Reading(genome=genome), Counts())
        pairs = of_alleles(alleles(variants, genome, LENGTH, "drop", Counts()))
        found = (Effect(pair.number, pair.names, 2.0, 1.0, 1.0, 0.1) for pair in pairs)
        assert write_effects(out, found, variants=True) == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        rows = out.read_text().splitlines()[1:]
        assert [int(row.split("\t")[1]) for row in rows] == [p + 1 for p in places]
    # Three numbers for a variant and its effect; as objects they would take a kilobyte.
    assert peaks[2] - peaks[1] < (many - few) * 100
