"""Genomes of which only windows are read: the same windows as of the whole."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from infonoise_bio.alphabet import letters_of
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.genomes import open as genomes
from infonoise_bio.data.open import read_source
from infonoise_core import InputError


def twobit(path: Path, sequences: dict[str, str]) -> Path:
    """Written as the UCSC page on the format has it (version 0, little end first)."""
    index, body = b"", b""
    first = 16 + sum(1 + len(name) + 4 for name in sequences)
    for name, text in sequences.items():
        index += bytes([len(name)]) + name.encode() + struct.pack("<I", first + len(body))
        body += struct.pack("<I", len(text)) + _blocks("[Nn]+", text) + _blocks("[a-z]+", text)
        digits = ["TCAG".find(letter) % 4 for letter in text.upper().ljust(-(-len(text) // 4) * 4)]
        rows = np.array(digits, np.uint8).reshape(-1, 4)
        body += bytes(4) + (rows @ np.array([64, 16, 4, 1], np.uint8)).astype(np.uint8).tobytes()
    head = struct.pack("<IIII", 0x1A412743, 0, len(sequences), 0)
    path.write_bytes(head + index + body)
    return path


def _blocks(pattern: str, text: str) -> bytes:
    found = [match.span() for match in re.finditer(pattern, text)]
    numbers = [len(found), *(a for a, _ in found), *(b - a for a, b in found)]
    return struct.pack(f"<{len(numbers)}I", *numbers)


@pytest.fixture
def sequences() -> dict[str, str]:
    first, second = letters_of(np.random.default_rng(0).integers(0, 4, (2, 501)).astype(np.uint8))
    return {"chr1": first[:100] + "NNNN" + first[100:200].lower() + first[200:], "chr2": second}


@pytest.fixture
def bed(tmp_path: Path) -> Path:
    path = tmp_path / "x.bed"
    lines = ["chr2\t10\t60\ta\t0\t-", "chr1\t90\t130\tb\t0\t+", "chr1\t480\t505\tc\t0\t+"]
    path.write_text("\n".join(lines) + "\n")
    return path


def fasta(path: Path, sequences: dict[str, str], width: int = 60) -> Path:
    lines = []
    for name, text in sequences.items():
        lines += [f">{name} words", *(text[i : i + width] for i in range(0, len(text), width))]
    path.write_text("\n".join(lines) + "\n")
    return path


def windows(bed: Path, genome: Path):
    counts = Counts()
    reading = Reading(genome=genome, upstream=7, edge="mask")
    return [(r.id, r.letters, r.fields) for r in read_source(bed, reading, counts)], counts


def test_by_index_as_by_the_whole(tmp_path, sequences, bed, monkeypatch):
    genome = fasta(tmp_path / "g.fa", sequences)
    whole, counts = windows(bed, genome)
    assert len(whole) == 3
    assert not (tmp_path / "g.fa.fai").exists()
    monkeypatch.setattr(genomes, "_LARGE", 0)
    found, others = windows(bed, genome)
    assert found == whole
    assert (tmp_path / "g.fa.fai").exists()
    assert (counts.records, counts.bases) == (others.records, others.bases)


def test_lines_of_several_lengths_have_no_index_but_are_read(tmp_path, sequences, bed, monkeypatch):
    genome = fasta(tmp_path / "g.fa", sequences)
    whole, _ = windows(bed, genome)
    text = genome.read_text().replace("\n", "\nA\n", 1)
    genome.write_text(text.replace("\nA\n", "\n"))
    with genome.open("a") as file:
        file.write(">chr3\nAC\nACGTACGT\nAC\n")
    monkeypatch.setattr(genomes, "_LARGE", 0)
    assert windows(bed, genome)[0] == whole


def test_a_letter_that_is_none_is_named_in_a_window(tmp_path, sequences, bed, monkeypatch):
    monkeypatch.setattr(genomes, "_LARGE", 0)
    broken = {**sequences, "chr2": sequences["chr2"][:30] + "!" + sequences["chr2"][31:]}
    with pytest.raises(InputError, match=r"record 'chr2' from .*'!'"):
        windows(bed, fasta(tmp_path / "g.fa", broken))


def test_2bit_as_fasta(tmp_path, sequences, bed):
    whole, _ = windows(bed, fasta(tmp_path / "g.fa", sequences))
    found, counts = windows(bed, twobit(tmp_path / "g.2bit", sequences))
    assert found == whole
    assert counts.records == 2
    (first, _) = read_source(tmp_path / "g.2bit", Reading(), Counts())
    assert first.letters.decode() == sequences["chr1"]


@pytest.mark.parametrize("keep", [3, 10, 20, 40])
def test_2bit_that_is_cut_off_is_one_line(keep, tmp_path, sequences):
    path = twobit(tmp_path / "g.2bit", sequences)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="2bit") as caught:
        list(read_source(path, Reading(), Counts()))
    assert "\n" not in str(caught.value)


def test_an_index_of_another_file_is_refused(tmp_path, sequences, bed):
    other = {name: text[7:-30] for name, text in sequences.items()}
    for name, theirs in (
        ("shorter", other),
        ("renamed", {"chr1": sequences["chr1"], "chr3": sequences["chr2"]}),
        ("turned", dict(reversed(sequences.items()))),
        ("longer", {name: text + "ACGT" * 20 for name, text in sequences.items()}),
    ):
        path, wrong = fasta(tmp_path / f"{name}.fa", sequences), fasta(tmp_path / "o.fa", theirs)
        with genomes.indexed_fasta(wrong) as index:
            assert index is not None
        path.with_name(f"{name}.fa.fai").write_bytes((tmp_path / "o.fa.fai").read_bytes())
        (tmp_path / "o.fa.fai").unlink()
        with pytest.raises(InputError, match=rf"{name}\.fa\.fai: is not of this file.*remove it"):
            list(read_source(bed, Reading(genome=path), Counts()))
