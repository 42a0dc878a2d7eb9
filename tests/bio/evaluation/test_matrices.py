"""One motif in every format is one matrix; what can be read two ways, or not at all, is refused."""

import io

import numpy as np
import pytest
from Bio import motifs
from Bio.motifs.transfac import Motif

from infonoise_bio.evaluation.matrices import read_matrices
from infonoise_bio.evaluation.motifs import check_fits, placed, read_scanners
from infonoise_core.errors import InputError

# (5 positions, 4): A C G T.
COUNTS = np.array([[5, 5, 10, 80], [90, 2, 4, 4], [3, 3, 4, 90], [70, 10, 10, 10], [1, 97, 1, 1]])


def table(rows: np.ndarray, form: str = "g") -> list[str]:
    return [" ".join(format(v, form) for v in row) for row in rows]


def jaspar(values: np.ndarray) -> str:
    rows = (f"{b} [ {r} ]" for b, r in zip("ACGT", table(values.T), strict=True))
    return ">M1.1\tBox\n" + "\n".join(rows) + "\n"


def meme(background: str = "") -> str:
    rows = "\n".join(table(COUNTS / 100, ".4f"))
    return (
        f"MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n{background}MOTIF M1.1 Box\n"
        f"letter-probability matrix: alength= 4 w= 5 nsites= 20 E= 0\n{rows}\n\nURL http://x\n"
    )


def transfac() -> str:
    """As Biopython writes it."""
    counts = dict(zip("ACGT", COUNTS.T.tolist(), strict=True))
    found = Motif(alphabet="ACGT", counts=counts)
    found["ID"], found["AC"] = "Box", "M1.1"
    return motifs.write([found], "transfac")


FORMATS = {
    "jaspar": jaspar(COUNTS),
    "jaspar of probabilities": jaspar(COUNTS / 100),
    "meme": meme(),
    "meme with a background": meme("Background letter frequencies\nA 0.3 C 0.2 G 0.2 T 0.3\n\n"),
    "transfac": transfac(),
    "transfac by hand": "AC M1.1\nXX\nID Box\nXX\nP0 A C G T\n"
    + "\n".join(f"{i:02} {row} N" for i, row in enumerate(table(COUNTS), 1))
    + "\nXX\n//\n",
    "homer": ">M1.1\tBox\t5.1\t-100\t0\n" + "\n".join(table(COUNTS / 100, ".3f")) + "\n",
    "four rows": ">M1.1 Box\n" + "\n".join(table(COUNTS.T)) + "\n",
    "a row for each position": ">M1.1 Box\n" + "\n".join(table(COUNTS)) + "\n",
    "numbered positions": ">M1.1 Box\nPos\tA\tC\tG\tT\n"
    + "\n".join(f"{i}\t{row}" for i, row in enumerate(table(COUNTS), 1)),
    "letters in another order": ">M1.1 Box\nPos G A T C\n"
    + "\n".join(f"{i} {row}" for i, row in enumerate(table(COUNTS[:, [2, 0, 3, 1]]), 1)),
    "letters without numbers": ">M1.1 Box\nt g c a\n" + "\n".join(table(COUNTS[:, ::-1])),
    "jaspar of RNA": jaspar(COUNTS).replace("T [", "U ["),
    "meme of RNA": meme().replace("ACGT", "ACGU"),
    "meme, as its programs begin": "****\nMEME - Motif discovery tool\n****\n" + meme(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_matrix(tmp_path, name):
    path = tmp_path / "motifs.txt"
    path.write_text(FORMATS[name] + "")
    (found,) = read_matrices(path)
    assert (found.id, found.name) == ("M1.1", "Box")
    np.testing.assert_allclose(found.counts, COUNTS, atol=0.11)
    scanner = read_scanners(path, ["Box"])[0]
    assert scanner.name == "M1.1 Box"
    assert scanner.scores.argmax(1).tolist() == [3, 0, 3, 0, 1]


def test_jaspar_is_what_biopython_reads(tmp_path):
    path = tmp_path / "x.jaspar"
    path.write_text(jaspar(COUNTS) + jaspar(COUNTS[::-1]).replace("M1.1", "M2.1"))
    expected = list(motifs.parse(io.StringIO(path.read_text()), "jaspar"))
    for ours, theirs in zip(read_matrices(path), expected, strict=True):
        assert (ours.id, ours.name) == (theirs.matrix_id, theirs.name)
        assert ours.counts.T.tolist() == [theirs.counts[b] for b in "ACGT"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            ">M four\n" + "\n".join(table(COUNTS[:4])),
            "'M': four rows of four numbers are A C G T or",
        ),
        (">M\n1 2 3\n4 5 6\n", "'M': 2 rows of 3 numbers; one of both must be four"),
        (">M\n1 2 3 4\n5 6 7\n", "'M': its rows have not all as many"),
        (">M\n1 2 3 4\nfive 6 7 8\n", "'M': 'five 6 7 8' is no row of numbers"),
        (">M\n0,25 0,25\n0,5 0\n1 1\n2 2\n", "'M': '0,25 0,25' has decimal commas; write points"),
        (">M\nA C G T\n1 2 3\n", "'M': a row has 3 numbers, not four"),
        (">M\n", "'M': its rows have not all as many"),
        (jaspar(COUNTS - 50), "'M1.1': holds numbers below 0, as scores do"),
        (jaspar(COUNTS * np.array([[1], [1], [0], [1], [1]])), "'M1.1': position 2 has no counts"),
        (meme().replace("ACGT", "ACDEFGHIKLMNPQRSTVWY"), "its alphabet is ACDEF.*motifs of DNA"),
        ("MEME version 4\n\nALPHABET= ACGT\n", "holds no motif"),
        ("MEME version 4\n\nMOTIF X\n\n", "'X': has no letter-probability matrix"),
        ("hello\n", "is no file of motifs; give JASPAR, MEME, TRANSFAC, HOMER"),
        ("", "holds no motif"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path, text, match):
    path = tmp_path / "motifs.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=match) as caught:
        read_matrices(path)
    assert "\n" not in str(caught.value)


def test_four_letters_make_four_positions_readable(tmp_path):
    path = tmp_path / "x.jaspar"
    path.write_text(jaspar(COUNTS[:4]))
    assert read_matrices(path)[0].counts.tolist() == COUNTS[:4].tolist()


def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path):
    path = tmp_path / "x.jaspar"
    path.write_text(jaspar(COUNTS))
    for name, match in (("box", "did you mean Box"), ("CTCF", "there are Box, M1.1")):
        with pytest.raises(InputError, match=f"no motif '{name}'; {match}"):
            read_scanners(path, [name])


def test_motifs_and_places_that_have_no_room_are_refused(tmp_path):
    path = tmp_path / "x.jaspar"
    path.write_text(jaspar(COUNTS))
    scanners = read_scanners(path)
    check_fits(scanners, placed(scanners, {"Box": (3, 15)}), 20)
    with pytest.raises(InputError, match=r"@3-16: in sequences of 20 bases it begins at 0 to 15"):
        check_fits(scanners, placed(scanners, {"Box": (3, 16)}), 20)
    with pytest.raises(InputError, match=r"motif M1\.1 Box: has 5 bases, and the sequences 4"):
        check_fits(scanners, [], 4)
