"""One motif in every format is one matrix; what can be read two ways, or not at all, is refused."""

import io

import numpy as np
import pytest
from Bio import motifs
from Bio.motifs.transfac import Motif

from infonoise_bio.evaluation.matrices import read_matrices
from infonoise_bio.evaluation.motifs import check_fits, parse_motif, placed, read_scanners
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
    "comments before it": "# of a database\n#\n" + jaspar(COUNTS),
    "CIS-BP, many": "TF\tT1\nTF Name\tBox\nMotif\tM1.1\nSpecies\tHomo_sapiens\n"
    + "Pos\tA\tC\tG\tT\n"
    + "\n".join(f"{i}\t{row}" for i, row in enumerate(table(COUNTS), 1)),
    "meme without a version": meme().partition("strands")[2].partition("\n")[2],
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


def test_a_matrix_without_a_header_is_called_as_its_file(tmp_path):
    for name, text in {
        "M00001_2.00.txt": "Pos\tA\tC\tG\tT\n"
        + "\n".join(f"{i}\t{row}" for i, row in enumerate(table(COUNTS / 100), 1)),
        "M00001_2.00.pfm": "\n".join(table(COUNTS.T)),
        "M00001_2.00.mat": jaspar(COUNTS).partition("\n")[2],
    }.items():
        (tmp_path / name).write_text(text + "\n")
        (found,) = read_matrices(tmp_path / name)
        assert (found.id, found.name) == ("M00001_2.00", "")
        np.testing.assert_allclose(found.counts, COUNTS, atol=0.11)


def test_tables_under_names_are_told_apart(tmp_path):
    path = tmp_path / "uniprobe.txt"
    rows = [f"{b}:\t{row}\n" for b, row in zip("ACGT", table(COUNTS.T / 100), strict=True)]
    path.write_text("One\n" + "".join(rows) + "\nTwo\n" + "".join(rows))
    assert [m.id for m in read_matrices(path)] == ["One", "Two"]


def test_rows_below_a_threshold_are_positions(tmp_path):
    path = tmp_path / "x.motif"
    path.write_text(">TATA\t1-TATA\t6.5\t-10\t0\n" + "\n".join(table(COUNTS[:4] / 100)) + "\n")
    np.testing.assert_allclose(read_matrices(path)[0].counts, COUNTS[:4])


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
        (">M\n", "'M': has no numbers; give JASPAR"),
        (">M\nPos A C G T\n", "'M': has letters above its columns and no numbers below"),
        ("Pos\tA\tC\tG\tT\n", "'motifs': has letters above its columns and no numbers below"),
        (meme().replace("w= 5", "w= 7"), "'M1.1': has 5 rows, and w= 7 above them; the file is"),
        (transfac() + transfac().rpartition("//")[0], "its last motif has no end"),
        (
            ">M1.1 Box\n" + "\n".join(table(COUNTS / 100)).replace("0.9", "0.4"),
            r"'M1.1': position \d \(from 0\) comes to 0\.\d+, and probabilities come to 1",
        ),
        ("1 2 3 4\n" * 4, "'motifs': four rows of four numbers are A C G T or"),
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


@pytest.mark.parametrize("text", [" ]\nC [ 0 4 ]\nG [ 1 0 ]\nT [ 0 0 ]\n", "[ ]\n[ ]\n"])
def test_a_file_that_begins_within_a_matrix_is_refused(tmp_path, text):
    path = tmp_path / "x.jaspar"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.jaspar: "):
        read_matrices(path)


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
    check_fits(scanners, placed(scanners, [("Box", (3, 15))]), 20)
    with pytest.raises(InputError, match=r"@3-16: in sequences of 20 bases it begins at 0 to 15"):
        check_fits(scanners, placed(scanners, [("Box", (3, 16))]), 20)
    with pytest.raises(InputError, match=r"motif M1\.1 Box: has 5 bases, and the sequences 4"):
        check_fits(scanners, [], 4)


def test_a_name_of_several_words_and_several_places_of_one_motif_are_kept(tmp_path):
    path = tmp_path / "x.jaspar"
    path.write_text(jaspar(COUNTS).replace("Box", "TATA box") + jaspar(COUNTS[:, ::-1]))
    places = [parse_motif(text) for text in ("TATA box@3-4", "TATA box@7-9", "TATA box@3-4")]
    scanners = read_scanners(path, ["TATA box", "Box"])
    windows = placed(scanners, places)
    assert [(w.scanner.name, w.low, w.high) for w in windows] == [
        ("M1.1 TATA box", 3, 4),
        ("M1.1 TATA box", 7, 9),
    ]
    # A word of another motif's name is not that motif.
    assert [w.scanner.name for w in placed(scanners, [("Box", (0, 1))])] == ["M1.1 Box"]


def test_two_motifs_of_one_name_are_refused_unless_they_are_copies(tmp_path):
    path = tmp_path / "x.jaspar"
    path.write_text(jaspar(COUNTS) * 2)
    assert len(read_scanners(path)) == 1
    path.write_text(jaspar(COUNTS) + jaspar(COUNTS[::-1]))
    with pytest.raises(InputError, match=r"two motifs called 'M1\.1 Box'; give each"):
        read_scanners(path)


def test_a_motif_like_its_background_is_refused(tmp_path):
    path = tmp_path / "x.jaspar"
    path.write_text(jaspar(np.tile([[30, 20, 20, 30]], (6, 1))))
    assert len(read_scanners(path)) == 1
    with pytest.raises(InputError, match=r"x\.jaspar: motif 'M1\.1 Box' has the same letters"):
        read_scanners(path, background=(0.3, 0.2, 0.2, 0.3))


def test_the_rate_of_a_motif_that_is_too_short_for_it_is_its_own(tmp_path):
    path = tmp_path / "x.jaspar"
    path.write_text(jaspar(COUNTS))
    assert read_scanners(path, rate=1e-4)[0].rate == pytest.approx(4.0**-5)
    assert read_scanners(path, rate=1e-2)[0].rate == 1e-2
