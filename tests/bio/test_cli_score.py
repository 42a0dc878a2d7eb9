"""`score` of changes: alleles of a VCF file, sequences in pairs, tracks and logos."""


def test_alleles_of_a_vcf(trained, tmp_path, fasta, random_texts, run, refused):
    text = "".join(random_texts(4))
    genome, vcf = fasta(tmp_path / "g.fa", [text]), tmp_path / "v.vcf"
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    rows = [("r0", at + 1, f"v{at}", text[at], other[text[at]]) for at in (40, 20, 60)]
    vcf.write_text("".join("\t".join(map(str, row)) + "\t.\n" for row in rows))
    out, how = tmp_path / "x.tsv", ["--levels", 8, "--label", "x"]
    command = ["score", trained, "--vcf", vcf, "--genome", genome, "--out", out, *how]
    code, told, _ = run(*command)
    assert code == 0
    assert told.startswith(f"{out}: 3 scores\n")
    header, *lines = (line.split("\t") for line in out.read_text().splitlines())
    assert header[:5] == ["chrom", "pos", "id", "ref", "alt"]
    assert [tuple(line[:5]) for line in lines] == [tuple(map(str, row)) for row in rows]
    for line in lines:
        reference, alternative, effect, stderr = map(float, line[5:])
        assert abs(reference - alternative - effect) < 2e-4
        assert stderr < reference
    refused("--overwrite", *command)
    refused("give --genome FILE", "score", trained, "--vcf", vcf, "--out", tmp_path / "y.tsv")
    refused("nothing to score", "score", trained, "--out", tmp_path / "y.tsv")


def test_pairs_tracks_and_logos(trained, tmp_path, fasta, random_texts, run):
    path, out = fasta(tmp_path / "p.fa", random_texts(4)), tmp_path / "x.tsv"
    how = ["--levels", 4]
    assert run("score", trained, path, "--pairs", "--out", out, *how)[0] == 0
    assert [line.split("\t")[:2] for line in out.read_text().splitlines()[1:]] == [
        ["r0", "r1"], ["r2", "r3"],
    ]  # fmt: skip
    track, logo = tmp_path / "x.bedGraph", tmp_path / "x.svg"
    assert run("score", trained, path, "--out", tmp_path / "y.tsv", "--track", track,
               "--logo", logo, *how)[0] == 0  # fmt: skip
    rows = [line.split("\t") for line in track.read_text().splitlines()[1:]]
    assert len(rows) == 4 * 24
    bits = [
        float(line.split("\t")[3]) for line in (tmp_path / "y.tsv").read_text().splitlines()[1:]
    ]
    track_bits = sum(float(row[3]) for row in rows[:24]) / 24
    assert abs(track_bits - bits[0]) < 1e-3
    assert logo.exists()
