"""From a file to sequences of one length: windows, masks, labels, and what is held out."""

import gzip
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_bio.alphabet import (
    MASKED,
    codes_of,
    complement_codes,
    letters_of,
    reverse_complement,
    reverse_complement_codes,
)
from infonoise_bio.data import SequenceSet, load_sequences
from infonoise_bio.kmers import similarity_clusters, two_strand_digests
from infonoise_bio.split import (
    SPLITS,
    Splitting,
    default_k,
    split_by_chromosome,
    split_by_similarity,
    straddling,
)
from infonoise_bio.windows import Windowing
from infonoise_core import InputError

DNA = Path(__file__).parents[3] / "shared" / "data" / "dna"
NOTHING_HELD_OUT = Splitting(val=0, test=0)


def random_codes(n: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (n, length), dtype=np.uint8)


def fasta(path: Path, sequences: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{text}\n" for name, text in sequences.items()))
    return path


def load(path: Path, splitting: Splitting = NOTHING_HELD_OUT, **windowing) -> SequenceSet:
    return load_sequences(path, windowing=Windowing(**windowing), splitting=splitting)


def refused(match: str, call, *arguments, **options) -> None:
    with pytest.raises(InputError, match=match) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)


# Letters


@given(st.text("ACGTRYSWKMBDHVNacgtn", min_size=1))
def test_letters_and_codes_know_the_same_other_strand(text):
    letters = text.encode()
    codes = codes_of(letters)
    assert complement_codes(codes) == codes_of(reverse_complement(letters))
    array = np.frombuffer(codes, np.uint8)[None]
    assert reverse_complement_codes(array).tobytes() == complement_codes(codes)
    upper = text.upper()
    assert letters_of(array) == ["".join(c if c in "ACGT" else "N" for c in upper)]


# Windows


def test_equal_lengths_need_no_window(tmp_path):
    data = load(fasta(tmp_path / "x.fa", {"a": "ACGTN", "b": "TTTTT"}))
    assert data.codes.tolist() == [[0, 1, 2, 3, 4], [3] * 5]
    assert data.codes.dtype == np.uint8
    assert data.mask.tolist() == [[True] * 4 + [False], [True] * 5]
    assert data.ids.tolist() == ["a", "b"]
    assert (len(data), data.length) == (2, 5)
    assert data.counts["ambiguous"] == 1
    refused(
        "record 'b' has 3 bases and .*record 'a' 2; give --window",
        load,
        fasta(tmp_path / "y.fa", {"a": "AC", "b": "ACG"}),
    )


@pytest.mark.parametrize(("anchor", "kept"), [("start", "ACG"), ("center", "CGT"), ("end", "TAC")])
def test_crop(tmp_path, anchor, kept):
    data = load(fasta(tmp_path / "x.fa", {"a": "ACGTAC"}), window=3, anchor=anchor)
    assert letters_of(data.codes) == [kept]
    assert data.counts["cropped"] == 3


@pytest.mark.parametrize(
    ("anchor", "padded"), [("start", "ACGNNN"), ("center", "NACGNN"), ("end", "NNNACG")]
)
def test_padding_is_masked_and_never_a_base(tmp_path, anchor, padded):
    path = fasta(tmp_path / "x.fa", {"a": "ACG"})
    data = load(path, window=6, anchor=anchor, shorter="pad")
    assert letters_of(data.codes) == [padded]
    assert data.mask.sum() == 3
    assert data.counts["padded"] == 3
    # Padding is no ambiguity of the sequence.
    assert len(load(path, window=6, shorter="pad", ambiguous="error")) == 1


def test_shorter_than_the_window(tmp_path):
    path = fasta(tmp_path / "x.fa", {"a": "ACGTAC", "b": "ACG"})
    refused("record 'b' has 3 bases, fewer than the window of 4", load, path, window=4)
    data = load(path, window=4, shorter="drop")
    assert (data.ids.tolist(), data.counts["short"]) == (["a"], 1)
    refused("no sequence is left", load, path, window=40, shorter="drop")


@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 30))
def test_tiles(tmp_path_factory, window, stride, extra):
    path = tmp_path_factory.mktemp("tiles") / "x.fa"
    text = letters_of(random_codes(1, window + extra))[0]
    data = load(fasta(path, {"g": text}), window=window, stride=stride)
    starts = range(0, extra + 1, stride) if extra else [0]
    assert letters_of(data.codes) == [text[s : s + window] for s in starts]


def test_ambiguous_bases(tmp_path):
    path = fasta(tmp_path / "x.fa", {"a": "ACRT", "b": "ACGT", "c": "NNNN"})
    assert load(path).codes[0].tolist() == [0, 1, 4, 3]
    data = load(path, ambiguous="drop")
    assert (data.ids.tolist(), data.counts["unclear"]) == (["b"], 2)
    assert data.counts["ambiguous"] == 5
    refused("record 'a': 'R' at position 3", load, path, ambiguous="error")


def test_lower_case(tmp_path):
    path = fasta(tmp_path / "x.fa", {"a": "ACgt", "b": "ACGT"})
    assert letters_of(load(path).codes) == ["ACGT", "ACGT"]
    assert load(path).lower is None
    assert letters_of(load(path, lower_case="mask").codes) == ["ACNN", "ACGT"]
    kept = load(path, lower_case="keep")
    assert kept.lower.tolist() == [[False, False, True, True], [False] * 4]
    assert letters_of(kept.codes) == ["ACGT", "ACGT"]
    assert load(path).counts["lower"] == 2


@pytest.mark.parametrize("bad", [{"window": 0}, {"stride": 3}, {"window": 3, "stride": 0}])
def test_windows_that_make_no_sense(bad):
    refused("--window|--stride", Windowing, **bad)


# Labels, numbers, ids


def test_labels_and_numbers(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,sequence,cell,x,y\na,AC,K562,1,2\nb,GT,HepG2,3,-4.5\nc,GG,K562,0,1e3\n")
    data = load_sequences(path, splitting=NOTHING_HELD_OUT, label="cell", numbers=("y", "x"))
    assert data.classes == ("HepG2", "K562")
    assert data.labels.tolist() == [1, 0, 1]
    assert data.number_names == ("y", "x")
    assert data.numbers.tolist() == [[2, 1], [-4.5, 3], [1000, 0]]
    some = data.take(np.array([2, 0]))
    assert some.ids.tolist() == ["c", "a"]
    assert some.labels.tolist() == [1, 1]
    refused(
        "record 'a' has no field 'tissue' .--label.; its fields: cell, x, y",
        load_sequences, path, label="tissue",
    )  # fmt: skip
    refused("record 'a': cell is 'K562', no number", load_sequences, path, numbers=("cell",))


@pytest.mark.parametrize("value", ["", "nan", "inf", "1,5", "1e99"])
def test_numbers_that_are_none(tmp_path, value):
    path = tmp_path / "x.tsv"
    path.write_text(f"id\tsequence\tx\na\tAC\t1\nb\tGT\t{value}\n")
    refused("record 'b': x is", load_sequences, path, numbers=("x",))


def test_ids_must_differ(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">a\nAC\n>b\nAC\n>a\nGG\n")
    refused(r"record 'a' \(number 3\): the id 'a' was taken by number 1", load, path)


def test_copies_are_told(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">a\nAACC\n>b\nGGTT\n>c\nAACC\n>d\nACCC\n>e\nAGTC\n")
    splitting = Splitting(val=0.0, test=0.0)
    notes = load_sequences(path, splitting=splitting).notes
    assert "2 copies of another sequence, on either strand" in notes
    path.write_text(">a\nAACC\n>d\nACCC\n>e\nAGTC\n")
    assert not any("copies" in note for note in load_sequences(path, splitting=splitting).notes)


def test_arrays_may_be_memory_maps(tmp_path):
    codes = random_codes(6, 9)
    np.save(tmp_path / "codes.npy", codes)
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    data = SequenceSet("mapped", mapped, np.array(list("abcdef")), np.zeros(6, np.uint8))
    assert np.array_equal(data.part("train").codes, codes)
    assert len(data.part("test")) == 0
    refused("give one of train", data.part, "other")
    refused(
        r"labels of shape \(5,\)",
        SequenceSet, "x", codes, data.ids, data.split, labels=np.zeros(5, np.int64),
    )  # fmt: skip


# Clusters and splits


def brute_clusters(codes: np.ndarray, k: int) -> list[set[int]]:
    """Clusters by comparing sets of k-mers, written as text, of all pairs."""

    def kmers(row: np.ndarray) -> set[str]:
        found = {"whole" + min(text, rc) for text, rc in [strands(row)]}
        for text in strands(row):
            pieces = (text[i : i + k] for i in range(len(text) - k + 1))
            found |= {p for p in pieces if "N" not in p and len(set(p)) >= 3}
        return found

    def strands(row: np.ndarray) -> tuple[str, str]:
        text = letters_of(row[None])[0]
        return text, reverse_complement(text.encode()).decode()

    clusters: list[tuple[set[int], set[str]]] = []
    for i, row in enumerate(codes):
        members, words = {i}, kmers(row)
        apart = []
        for other, has in clusters:
            if has & words:
                members, words = members | other, words | has
            else:
                apart.append((other, has))
        clusters = [*apart, (members, words)]
    return [members for members, _ in clusters]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.integers(4, 6), st.integers(3, 14))
def test_clusters_are_those_of_all_pairs(seed, n, k, length):
    codes = np.random.default_rng(seed).integers(0, 5, (n, length), dtype=np.uint8)
    codes[codes == MASKED] %= 4 if seed % 3 else 5
    cluster = similarity_clusters(codes, k)
    for members in brute_clusters(codes, k):
        assert {int(cluster[i]) for i in members} == {min(members)}


@pytest.mark.parametrize("at_once", [1, 300, 10_000])
def test_clusters_do_not_depend_on_the_number_of_passes(monkeypatch, at_once):
    codes = random_codes(60, 30)
    codes[7, :20] = codes[3, 5:25]
    codes[40] = reverse_complement_codes(codes[7:8])
    expected = similarity_clusters(codes, 12)
    assert len(np.unique(expected)) == 58
    monkeypatch.setattr("infonoise_bio.kmers._AT_ONCE", max(at_once, 60 * 19 // 50))
    assert np.array_equal(similarity_clusters(codes, 12), expected)


def test_a_chain_of_overlaps_is_one_cluster_in_any_order():
    genome = random_codes(1, 4000)[0]
    tiles = np.stack([genome[s : s + 50] for s in range(0, 3900, 25)])
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(tiles))
        shuffled = tiles[order]
        shuffled[::2] = reverse_complement_codes(shuffled[::2])
        assert np.array_equal(np.unique(similarity_clusters(shuffled, 24)), [0])


def test_simple_repeats_do_not_make_clusters_but_copies_do():
    codes = random_codes(5, 60)
    codes[0, :40] = codes[1, :40] = np.tile([0, 3], 20)
    codes[2] = codes[3] = 0
    assert similarity_clusters(codes, 24).tolist() == [0, 1, 2, 2, 4]


def related(n: int, seed: int = 0) -> np.ndarray:
    """Families of 1 to 4 that share a stretch of 30, some turned."""
    rng = np.random.default_rng(seed)
    codes = random_codes(n, 100, seed)
    for start in range(0, n - 4, 4):
        for i in range(1, int(rng.integers(1, 5))):
            codes[start + i, 50:80] = codes[start, 10:40]
    codes[::3] = reverse_complement_codes(codes[::3])
    return codes


def test_no_part_sees_another():
    codes = related(400)
    split, note = split_by_similarity(codes, Splitting())
    assert straddling(similarity_clusters(codes, 24), split) == 0
    # Clusters have at most 4 members, and singles fill up: the sizes are exact.
    assert np.bincount(split).tolist() == [320, 40, 40]
    assert "24-mer" in note


def test_the_split_depends_on_content_and_seed_alone():
    codes = related(200)
    split, _ = split_by_similarity(codes, Splitting())
    order = np.random.default_rng(1).permutation(len(codes))
    shuffled, _ = split_by_similarity(codes[order], Splitting())
    assert np.array_equal(shuffled, split[order])
    turned, _ = split_by_similarity(reverse_complement_codes(codes), Splitting())
    assert np.array_equal(turned, split)
    other, _ = split_by_similarity(codes, Splitting(split_seed=1))
    assert not np.array_equal(other, split)


def test_large_clusters_go_to_training():
    codes = random_codes(200, 60)
    codes[:20, :30] = codes[0, :30]
    for seed in range(5):
        split, _ = split_by_similarity(codes, Splitting(split_seed=seed))
        assert (split[:20] == 0).all()


@pytest.mark.parametrize(("length", "k"), [(20, 12), (50, 16), (72, 24), (1000, 24)])
def test_length_of_a_shared_stretch(length, k):
    assert default_k(length) == k


def test_too_few_groups_to_hold_out():
    refused("too few to hold", split_by_similarity, random_codes(2, 60), Splitting())
    same = np.repeat(random_codes(1, 60), 9, 0)
    refused(
        "9 sequences, each similarity cluster kept whole, make 1;",
        split_by_similarity,
        same,
        Splitting(),
    )
    assert split_by_similarity(same, Splitting(val=0, test=0))[0].tolist() == [0] * 9
    three, _ = split_by_similarity(random_codes(3, 60), Splitting())
    assert sorted(three) == [0, 1, 2]


def test_by_chromosome(tmp_path):
    sequences = {f"chr{i % 5}:{i}-{i + 9}": "ACGTACGTA" for i in range(50)}
    path = fasta(tmp_path / "x.fa", sequences)
    chosen = Splitting("chromosome", val_chromosomes="chr3", test_chromosomes="chr1, chr2")
    data = load(path, chosen)
    by_name = {str(name).split(":")[0]: s for name, s in zip(data.ids, data.split, strict=True)}
    assert by_name == {"chr0": 0, "chr1": 2, "chr2": 2, "chr3": 1, "chr4": 0}
    assert data.notes[-1].startswith("split by chromosome: val chr3; test chr1, chr2")
    for seed in range(4):
        names = [str(i).split(":")[0] for i in data.ids]
        split, _ = split_by_chromosome(names, Splitting(split_seed=seed))
        assert len({(n, s) for n, s in zip(names, split, strict=True)}) == 5
        assert set(split) == {0, 1, 2}
    missing = Splitting("chromosome", test_chromosomes="chr7")
    refused("no sequence lies on chromosome 'chr7'; there are chr0", load, path, missing)
    nameless = fasta(tmp_path / "y.fa", {"a": "AC", "b": "GT"})
    refused("record 'a': its chromosome is not known", load, nameless, Splitting("chromosome"))


def test_by_the_files_own_word(tmp_path):
    path = tmp_path / "x.csv"
    rows = ["a,AACC,Train", "b,ACGT,dev", "c,GGGT,test", "d,TTTA,train"]
    path.write_text("\n".join(["id,sequence,split", *rows]))
    assert load(path, Splitting()).split.tolist() == [0, 1, 2, 0]
    by_similarity = load(path, Splitting("similarity"))
    assert "split by similarity" in by_similarity.notes[-1]
    path.write_text(path.read_text() + "\ne,ACCC,lost")
    refused("record 'e': split is 'lost'; give train, val or test", load, path, Splitting())
    nothing = fasta(tmp_path / "x.fa", {"a": "AC", "b": "GT"})
    refused("record 'a' has no field 'split'", load, nothing, Splitting("column"))


def test_copies_across_the_files_own_parts_are_told(tmp_path):
    text = letters_of(random_codes(1, 60))[0]
    turned = reverse_complement(text.encode()).decode()
    path = tmp_path / "x.csv"
    path.write_text(f"id,sequence,split\na,{text},train\nb,{turned},test\n")
    assert "warning: 1 clusters" in load(path, Splitting()).notes[-1]


@pytest.mark.parametrize("bad", [{"val": -0.1}, {"val": 0.5, "test": 0.5}, {"cluster_k": 40}])
def test_splits_that_make_no_sense(bad):
    refused("--val|--cluster-k", Splitting, **bad)


def test_digests_are_those_of_both_strands():
    codes = random_codes(20, 15)
    turned = reverse_complement_codes(codes)
    assert np.array_equal(two_strand_digests(codes), two_strand_digests(turned))
    assert len(np.unique(two_strand_digests(codes))) == 20


@pytest.mark.data
@pytest.mark.skipif(not DNA.is_dir(), reason="no DNA in ../shared/data")
class TestRealSets:
    # Numbers of sequences and of clusters, as the data's own description gives them.
    @pytest.mark.parametrize(
        ("name", "n", "clusters"),
        [("ecoli_promoters_165", 13_972, 13_374), ("reg200", 15_417, 13_769)],
    )
    def test_clusters_are_those_the_data_were_split_by(self, name, n, clusters):
        data = load_sequences(DNA / f"{name}.csv.gz", label="label")
        assert len(data) == n
        cluster = similarity_clusters(data.codes, 24)
        assert len(np.unique(cluster)) == clusters
        assert straddling(cluster, data.split) == 0
        assert "warning" not in data.notes[-1]

    def test_fasta_and_table_are_the_same_set(self):
        one, two = (
            load_sequences(DNA / f"reg200.{kind}.gz", label="label") for kind in ("csv", "fasta")
        )
        for name in ("codes", "ids", "split", "labels"):
            assert np.array_equal(getattr(one, name), getattr(two, name)), name
        assert one.classes == two.classes
        assert len(one.classes) == 5

    def test_all_tables(self):
        for name, n, length, numbers in (
            ("ecoli_tss_50", 11_884, 50, ("expression",)),
            ("fly_starr_249", 2_969, 249, ("dev_log2", "hk_log2")),
            ("mammal_tata_promoters_300", 6_015, 300, ()),
        ):
            data = load_sequences(DNA / f"{name}.csv.gz", numbers=numbers)
            assert data.codes.shape == (n, length)
            assert data.mask.all()
            assert (data.numbers is None) == (not numbers)
            assert set(data.split) == {0, 1, 2}

    def test_chromosomes_from_ids(self, tmp_path):
        with gzip.open(DNA / "tf_chip_100.csv.gz", "rt") as handle:
            rows = handle.readlines()
        path = tmp_path / "some.csv"
        path.write_text("".join([rows[0], *random.Random(0).sample(rows[1:], 3000)]))
        own = load(path, Splitting("column"))
        chosen = Splitting("chromosome", val_chromosomes="chr7", test_chromosomes="chr8,chr9")
        assert np.array_equal(load(path, chosen).split, own.split)


def test_parts_have_names():
    assert SPLITS == ("train", "val", "test")
