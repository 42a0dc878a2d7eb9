"""Every reader of files from elsewhere, with a sound file of its format."""

import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.open import Reading, read_source
from infonoise_bio.evaluation.matrices import read_matrices
from infonoise_bio.evaluation.oracles.exported import load_program
from infonoise_core.config.tree import ConfigTree
from infonoise_core.config.yaml_file import read_config
from infonoise_core.errors import InputError
from infonoise_core.folders.marker import marker_of
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training import checkpoint
from infonoise_core.training.artifact import read_card
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.data.records import BadRecords
from infonoise_core.training.record.metrics import read_lines
from infonoise_core.training.run_folder import read_run
from infonoise_text.data.corpus import Manifest
from infonoise_text.data.documents import open_documents
from infonoise_text.tokenizers.load import load_tokenizer
from infonoise_vision.data.formats.npz import read_archive
from infonoise_vision.data.formats.packed import is_packed, read_packed
from infonoise_vision.data.formats.source import in_memory
from infonoise_vision.data.open import open_source
from infonoise_vision.data.published.idx import read_array
from infonoise_vision.data.published.unpickle import load_plain


@dataclass(frozen=True)
class Reader:
    """name: of the file it is given.  sound: one that it reads.  read: reads it whole.

    words: of the format, put in anywhere.  whole: whether `sound` is all that is needed.
    """

    name: str
    sound: bytes
    read: Callable[[Path], object]
    words: tuple[bytes, ...] = ()
    whole: bool = True


def _all(values: Iterable[Any]) -> None:
    for _ in values:
        pass


def _card() -> dict[str, Any]:
    return {"format": "infonoise-artefact", "version": 1, "kind": "model", "program": "x",
            "step": 3, "files": {"model.safetensors": "0" * 64}}  # fmt: skip


def _profile() -> dict[str, Any]:
    edges = torch.logspace(-2, 2, 5, dtype=torch.float64)
    columns = [torch.ones(4, dtype=torch.float64) for _ in range(3)]
    return EntropyRateProfile(edges, *columns, dim=3).to_dict()


def _npz() -> bytes:
    with tempfile.TemporaryFile() as file:
        np.savez_compressed(file, images=np.zeros((3, 4, 4), np.uint8), labels=np.arange(3))
        file.seek(0)
        return file.read()


def _idx() -> bytes:
    return struct.pack(">HBBIII", 0, 8, 3, 2, 4, 4) + bytes(range(32))


def _manifest() -> dict[str, Any]:
    return {"format": "infonoise-checkpoint", "version": 2, "step": 5, "parts": {}, "files": {}}


def _signed() -> bytes:
    manifest = _manifest()
    return json.dumps({"checksum": checkpoint.digest(manifest), **manifest}).encode()


def _corpus() -> dict[str, Any]:
    split = {"documents": 1, "tokens": 2, "bytes": 3, "sha256": "0"}
    return {"format": "infonoise-text corpus", "version": 1, "source": "x", "dtype": "uint16",
            "split_by": "document", "changed": 0, "tokenizer": {"name": "a", "digest": "b"},
            "splits": dict.fromkeys(("train", "valid", "test"), split)}  # fmt: skip


def _packed(path: Path) -> None:
    if is_packed(path.parent):
        read_packed(path.parent)


def _documents(path: Path) -> None:
    _all(open_documents(str(path)))


def _sequences(path: Path) -> None:
    _all(read_source(path, Reading(), Counts()))


def _intervals(path: Path) -> None:
    genome = path.parent / "genome.fa"
    genome.write_text(">chr1\n" + "ACGT" * 50 + "\n")
    _all(read_source(path, Reading(genome=genome), Counts()))


def _features(path: Path) -> None:
    genome = path.parent / "genome.fa"
    genome.write_text(">chr1\n" + "ACGT" * 50 + "\n")
    _all(read_source(path, Reading(genome=genome, feature="gene"), Counts()))


def _parquet() -> bytes:
    from pyarrow import BufferOutputStream, parquet, table

    stream = BufferOutputStream()
    parquet.write_table(table({"text": ["one", "two"]}), stream)
    return bytes(stream.getvalue())


def _listing(path: Path) -> None:
    for i in range(2):
        Image.new("L", (2, 2), i).save(path.parent / f"{i}.png")
    open_source(path.parent)


def _checkpoint(path: Path) -> None:
    folder = path.parent / "step-00000005"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_bytes(path.read_bytes())
    try:
        checkpoint.load(folder)
    except checkpoint.DamagedCheckpoint as damage:
        raise InputError(str(damage)) from None


def _plain_pickle(path: Path) -> None:
    try:
        load_plain(path.read_bytes())
    except pickle.UnpicklingError as error:
        raise InputError(str(error)) from None


def _config() -> bytes:
    return b"steps: 5\nbatch_size: 8\nlr: 0.01\nlr_schedule: cosine\ntarget: nats=3\n"


def _pickled() -> bytes:
    return pickle.dumps({b"data": np.zeros((2, 4), np.uint8), b"labels": [1, 2]}, protocol=2)


JSON_WORDS = (b"null", b"1e999", b"-1", b"9" * 30, b"9" * 5000, b"[" * 2000, b'"\\ud800"', b"NaN",
              b"true", b"{}", b"[]", b'""', b'{"format":')  # fmt: skip
READERS = {
    "settings": Reader("config.json", json.dumps({"command": "x", "train": {"lr": 1}}).encode(),
                       lambda path: read_run(path.parent), JSON_WORDS),
    "card": Reader("card.json", json.dumps(_card()).encode(),
                   lambda path: read_card(path.parent), JSON_WORDS),
    "checkpoint": Reader("manifest.json", _signed(), _checkpoint, JSON_WORDS),
    "marker": Reader("infonoise.json", b'{"format": "infonoise-folder", "version": 1, "kind": "r"}',
                     lambda path: marker_of(path.parent), JSON_WORDS),
    "profile": Reader("profile.json", json.dumps(_profile()).encode(), EntropyRateProfile.load,
                      JSON_WORDS),
    "metrics": Reader("metrics.jsonl",
                      b'{"step": 1, "loss": 2}\n{"step": 2, "evaluate": {"a": 1}}\n',
                      read_lines, JSON_WORDS),
    "corpus": Reader("corpus.json", json.dumps(_corpus()).encode(),
                     lambda path: Manifest.read(path.parent), JSON_WORDS),
    "prepared": Reader("manifest.json", json.dumps({
        "format": "infonoise-vision images", "version": 1, "name": "x", "levels": 2,
        "classes": [], "parts": {"train": [1, 1, 2, 2]}}).encode(), _packed, JSON_WORDS,
        whole=False),
    "listing": Reader("dataset.json", b'{"labels": [["0.png", 3], ["1.png", 4]]}', _listing,
                      JSON_WORDS),
    "yaml": Reader("config.yaml", _config(),
                   lambda path: read_config(path, ConfigTree(TrainConfig)),
                   (b"&a", b"*a", b"!!python/object:os.system", b"2001-99-99", b"1:60", b"9" * 5000,
                    b"[" * 2000, b"<<: *a", b"!!binary x", b"? [a]")),
    "npz": Reader("a.npz", _npz(), read_archive, (b"\xff" * 4, b"PK\x01\x02", b"'|O'")),
    "idx": Reader("x-images-idx3-ubyte", _idx(), read_array, (b"\xff" * 4, b"\x1f\x8b")),
    "idx.gz": Reader("x-images-idx3-ubyte.gz", gzip.compress(_idx()), read_array),
    "fasta": Reader("a.fa", b">a class=x\nACGT\nNNAC\n>b\nTTTT\n", _sequences,
                    (b">", b";", b"\r", b"=", b"\x00")),
    "fasta.gz": Reader("a.fa.gz", gzip.compress(b">a\nACGT\n"), _sequences),
    "table": Reader("a.csv", b"id,sequence,label\na,ACGT,x\nb,TTTT,y\n", _sequences,
                    (b'"', b",", b"\n", b"\x00")),
    "bed": Reader("a.bed", b"chr1\t2\t9\tx\t0\t+\nchr1\t4\t8\n", _intervals,
                  (b"-1", b"9" * 30, b"9" * 5000, b"\xc2\xb2", b"\t")),
    "genbank": Reader("a.gb", b"LOCUS       A                          8 bp    DNA     linear   "
                      b"UNK 01-JAN-1980\n"
                      b"FEATURES             Location/Qualifiers\n"
                      b"     gene            1..4\nORIGIN\n        1 acgtacgt\n//\n", _sequences,
                      (b"join(", b"9" * 30, b"complement(", b"order(1.2,3^4)")),
    "lines": Reader("a.jsonl", b'{"text": "one"}\n{"text": "two"}\n', _documents, JSON_WORDS),
    "text": Reader("a.txt", "é text\n".encode(), _documents),
    "text.xz": Reader("a.txt.xz", lzma.compress(b"text " * 40), _documents),
    "tar": Reader("a.tar", b"", _documents),
    "pickle": Reader("data_batch_1", _pickled(), _plain_pickle,
                     (b"cos\nsystem\n", b"r\xff\xff\xff\x0f", b"\x85", b"2")),
    "program": Reader("a.pt2", b"PK\x05\x06" + bytes(18), load_program, whole=False),
}  # fmt: skip


def _zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def _twobit() -> bytes:
    """One sequence of 8 bases, as UCSC's format has it: header, index, counts, packed bases."""
    record = struct.pack("<IIII", 8, 0, 0, 0) + bytes([0b00011011, 0b11100100])
    index = bytes([4]) + b"chr1" + struct.pack("<I", 16 + 1 + 4 + 4)
    return struct.pack("<IIII", 0x1A412743, 0, 1, 0) + index + record


def _photo(kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (6, 6), (200, 30, 90)).save(stream, kind)
    return stream.getvalue()


def _photos(path: Path) -> None:
    """A folder of images, among them this, or in which this lists labels."""
    for i in range(2):
        Image.new("RGB", (6, 6), (i, 9, 9)).save(path.parent / f"{i}.png")
    _images(path.parent)


def _svhn() -> bytes:
    import scipy.io

    stream = io.BytesIO()
    pixels = np.arange(32 * 32 * 3 * 2, dtype=np.uint8).reshape(32, 32, 3, 2)
    scipy.io.savemat(stream, {"X": pixels, "y": np.array([[1], [10]], np.uint8)})
    return stream.getvalue()


def _image_table() -> bytes:
    from pyarrow import BufferOutputStream, parquet, table

    rows = [{"bytes": _photo(), "path": None}] * 2
    stream = BufferOutputStream()
    parquet.write_table(table({"image": rows, "label": [0, 1]}), stream)
    return bytes(stream.getvalue())


def _images(path: Path) -> None:
    source = open_source(path).train
    bad = BadRecords(len(source), lambda line: None)
    source.read(np.arange(len(source)), None, in_memory, None, bad)


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in ("a.txt", "b.jsonl"):
            content = b'{"text": "x"}'
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


READERS["tar"] = Reader("a.tar", _tar(), _documents, (b"\xff" * 8, b"7" * 11, b"g", b"x", b"S"))

_TOKENIZER = Path(__file__).parents[1] / "resume" / "fixture" / "corpus" / "tokenizer.model"
_GFF = (b"##gff-version 3\nchr1\tx\tgene\t3\t9\t.\t+\t.\tID=a;Name=b\n"
        b"chr1\tx\tCDS\t3\t8\t.\t-\t0\tParent=a\n")  # fmt: skip
_COUNTS = b"3 0 1 2 1\n0 4 1 1 1\n1 0 2 1 1\n0 0 0 0 1\n"
for _reader in (
    Reader("a.fq", b"@a\nACGT\n+\nIIII\n@b\nTTTT\n+b\nIIII\n", _sequences, (b"@", b"+", b"\r")),
    Reader("a.embl", b"ID   A; SV 1; linear; DNA; STD; UNC; 8 BP.\nFT   gene            1..4\n"
           b"SQ   Sequence 8 BP;\n     acgtacgt        8\n//\n", _sequences,
           (b"join(", b"9" * 30, b"//", b"SQ")),
    Reader("a.2bit", _twobit(), _sequences, (b"\xff" * 4, b"\x7f" * 4)),
    Reader("a.gff3", _GFF, _features, (b"9" * 30, b"-1", b"\t", b"##FASTA\n", b"%zz")),
    Reader("a.gtf", _GFF.replace(b"ID=a;Name=b", b'gene_id "a"; gene_name "b";'), _features,
           (b'"', b";", b"9" * 30, b"\t")),
    Reader("a.narrowPeak", b"chr1\t2\t30\tp\t5\t.\t1.5\t-1\t3\t7\n", _intervals,
           (b"-1", b"9" * 30, b"nan", b"1e999", b"\t")),
    Reader("plain", b"ACGT\nTTTT\n", _sequences, (b"\r", b">", b"#", b"\x00")),
    Reader("a.fa.zip", _zipped("a.fa", b">a\nACGT\n"), _sequences, (b"\xff" * 4, b"PK\x01\x02")),
    Reader("a.meme", b"MEME version 4\nALPHABET= ACGT\nMOTIF a b\nletter-probability matrix:\n"
           b" 0.5 0.5 0 0\n 0 0 1 0\n", read_matrices, (b"nan", b"1e999", b"-1", b"\n", b"MOTIF")),
    Reader("a.jaspar", b">a b\nA [ 3 0 ]\nC [ 0 4 ]\nG [ 1 0 ]\nT [ 0 0 ]\n", read_matrices,
           (b"nan", b"1e999", b"-1", b"[", b">")),
    Reader("a.pfm", b">a\n" + _COUNTS, read_matrices, (b"nan", b"1e999", b"-1", b">", b"\t")),
    Reader("a.transfac", b"ID a\nP0 A C G T\n01 3 0 1 2\n02 0 4 1 1\nXX\n//\n", read_matrices,
           (b"nan", b"1e999", b"-1", b"//", b"P0")),
    Reader("texts.zip", _zipped("a.txt", b"some text"), _documents, (b"\xff" * 4, b"PK\x01\x02")),
    Reader("texts.csv", b"id,text\n1,one\n2,two\n", _documents, (b'"', b",", b"\x00", b"\r")),
    Reader("texts.json", b'[{"text": "one"}, {"text": "two"}]', _documents, JSON_WORDS),
    Reader("texts.parquet", _parquet(), _documents, (b"\xff" * 4,)),
    Reader("tokenizer.json", b'{"version": "1.0", "model": {"type": "BPE",'
           b' "vocab": {"a": 0, "b": 1}, "merges": []}}', load_tokenizer, JSON_WORDS),
    Reader("tokenizer.model", _TOKENIZER.read_bytes(), load_tokenizer),
    Reader("characters.json", b'{"characters": "abc"}', load_tokenizer, JSON_WORDS),
    Reader("p.png", _photo(), _photos, (b"IDAT", b"tEXt", b"\xff" * 4, b"iCCP", b"eXIf")),
    Reader("p.jpg", _photo("JPEG"), _photos, (b"\xff\xd9", b"\xff\xe1", b"Exif", b"\xff" * 4)),
    Reader("train_32x32.mat", _svhn(), _images, (b"\xff" * 4, b"miMATRIX")),
    Reader("images.parquet", _image_table(), _images, (b"\xff" * 4, b"PAR1")),
    Reader("metadata.csv", b"file_name,label\n0.png,a\n1.png,b\n", _photos,
           (b'"', b",", b"\n", b"\x00", b"..")),
    Reader("metadata.jsonl", b"".join(
        b'{"file_name": "%d.png", "label": %d}\n' % (i, i) for i in range(2)),
           _photos, JSON_WORDS),
    Reader("images.zip", _zipped("a/0.png", _photo()), _images, (b"\xff" * 4, b"PK\x01\x02")),
):  # fmt: skip
    READERS[_reader.name] = _reader


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


JSON_READERS = {name: reader for name, reader in READERS.items() if _is_json(reader.sound)}
