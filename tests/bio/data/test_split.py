"""What is held out: by similarity, by chromosome, or by the file's own word."""

import numpy as np
import pytest

from infonoise_bio.alphabet import letters_of, reverse_complement, reverse_complement_codes
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.kmers import similarity_clusters
from infonoise_bio.data.options import Examples, Splitting
from infonoise_bio.data.split import (
    SPLITS,
    chromosome_of,
    default_k,
    split_by_chromosome,
    split_by_similarity,
    straddling,
)
from infonoise_core.config.idle import refuse_idle

from .sequence_files import fasta, load, random_codes, refused


def test_parts_have_names():
    assert SPLITS == ("train", "val", "test")


# By similarity


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
    match = "too few to hold.*give more sequences that differ"
    refused(match, split_by_similarity, random_codes(2, 60), Splitting())
    near = np.repeat(random_codes(1, 60), 9, 0)
    near[np.arange(9), 50 + np.arange(9)] ^= 1
    refused(
        r"9 sequences, each similarity cluster kept whole, make 1, the largest of 9 \(100%\); give",
        split_by_similarity,
        near,
        Splitting(),
    )
    assert split_by_similarity(near, Splitting(val=0, test=0))[0].tolist() == [0] * 9
    three, _ = split_by_similarity(random_codes(3, 60), Splitting())
    assert sorted(three) == [0, 1, 2]


# By what the file says


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


def test_chromosomes_of_the_names_that_bedtools_writes(tmp_path):
    names = ("peak1::chr1:0-9(+)", "chr2:-3-6(+)", "a:b::chr3:5-14")
    records = [Record(name, b"A", {}, name) for name in names]
    assert [chromosome_of(record) for record in records] == ["chr1", "chr2", "chr3"]


def test_options_of_splits_that_would_do_nothing_are_refused(tmp_path):
    named = {"split": "chromosome", "val_chromosomes": "a,b", "test_chromosomes": " c"}
    for options, match in (
        ({"test_chromosomes": "chr1"}, "--test-chromosomes chr1: goes with --split chromosome"),
        ({"split": "region", "val_chromosomes": "chr1"}, "goes with --split chromosome"),
        ({**named, "test_chromosomes": " b"}, "'b' is among --test-chromosomes, too"),
        ({"split": "region", "split_column": "fold"}, "--split-column fold: goes with"),
        ({"split": "column", "val": 0.2}, "--val 0.2: the column says which sequences"),
        ({**named, "split_seed": 1}, "--split-seed 1: the chromosomes that are named say which"),
    ):
        # A run that was begun with them goes on.
        refused(match, refuse_idle, Examples(splitting=Splitting(**options)))
    for options in ({}, named, {"split": "column"}, {"split_column": "part"}, {"val": 0.2}):
        refuse_idle(Examples(splitting=Splitting(**options)))
    path = tmp_path / "x.csv"
    path.write_text("id,sequence,fold\na,AACC,train\nb,ACGT,val\nc,TTCA, test\n")
    assert load(path, Splitting(split_column="fold")).split.tolist() == [0, 1, 2]
    refused(
        "'a' has no field 'folds'.*its fields: fold", load, path, Splitting(split_column="folds")
    )


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


def test_what_no_rule_could_divide_is_called_what_it_is():
    """All the same, on either strand, or nothing known: no advice about clusters helps."""
    row = random_codes(1, 60)
    same = np.concatenate([row, reverse_complement_codes(row)] * 20)
    refused("all 40 sequences are the same", split_by_similarity, same, Splitting())
    unknown = np.full_like(same, 4)
    refused("none of 40 sequences holds a base", split_by_similarity, unknown, Splitting())
    assert not split_by_similarity(same, Splitting(val=0, test=0))[0].any()
