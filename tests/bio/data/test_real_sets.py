"""Real sets of sequences: their clusters, their own splits, and the same set in two formats."""

import gzip
import random

import numpy as np
import pytest

from infonoise_bio.data.kmers import similarity_clusters
from infonoise_bio.data.options import Splitting
from infonoise_bio.data.sequences import load_sequences
from infonoise_bio.data.split import straddling

from .sequence_files import DNA, load


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
