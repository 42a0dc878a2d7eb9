"""A prepared corpus: token ids in memory-mapped files, and a manifest that says what they are.

The folder holds corpus.json, the tokenizer, one file of ids for each split, and the semantic code
book where --semantic was given. `prepare` writes it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_core.files import read_json
from infonoise_core.reading import sha256_of
from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.data.pairs import COLUMNS, DTYPE, PairFields, Pairs, lengths_file
from infonoise_text.tokenizers.base import Tokenizer
from infonoise_text.tokenizers.load import load_tokenizer

MANIFEST_FILE = "corpus.json"
SEMANTIC_FILE = "semantic.safetensors"
FORMAT = "infonoise-text corpus"
VERSION = 1
SPLITS = ("train", "valid", "test")
Positions = NDArray[np.integer] | list[int]


@dataclass(frozen=True)
class SplitCounts:
    """What a split holds.

    Attributes:
        documents: How many.
        tokens: How many ids, the ends of documents among them.
        bytes: Of the documents in UTF-8.
        sha256: Of the file of ids.
    """

    documents: int
    tokens: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a prepared corpus is made of.

    Attributes:
        source: Name of the corpus.
        split_by: "document", or "stretch" where there were fewer than three documents and each
            was cut instead.
        dtype: Of the ids, "uint16" or "uint32".
        changed: Documents that the tokenizer does not give back exactly.
        given: The held-out splits that the user gave.
        shared: Documents of train that are in those splits too.
        pairs: Of a corpus of prompts and answers.
    """

    source: str
    split_by: str
    dtype: str
    changed: int
    tokenizer: dict[str, str | int | None]
    splits: dict[str, SplitCounts]
    given: list[str] = field(default_factory=list)
    shared: int = 0
    pairs: PairFields | None = None

    def to_json(self) -> dict[str, Any]:
        """What the manifest's file holds, with format and version."""
        values = asdict(self)
        if self.pairs is None:
            del values["pairs"]  # so that earlier releases read it
        return {"format": FORMAT, "version": VERSION, **values}

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of a prepared folder.

        Raises:
            InputError: Where there is none, or it is damaged or of another version.
        """
        path = folder / MANIFEST_FILE
        if not path.is_file():
            raise InputError(
                f"{folder}: no prepared corpus here ({MANIFEST_FILE} is missing); make one with"
                " infonoise-text prepare"
            )
        try:
            values = read_json(path, "prepare the corpus again")
            found = values.pop("format"), values.pop("version")
            if found != (FORMAT, VERSION):
                raise InputError(
                    f"{path}: format {found[0]!r} version {found[1]}, not {FORMAT!r} version"
                    f" {VERSION}; prepare the corpus again"
                )
            splits = {name: SplitCounts(**values["splits"][name]) for name in SPLITS}
            pairs = values.pop("pairs", None)
            fields = None if pairs is None else PairFields(**pairs)
            return cls(**{**values, "splits": splits, "pairs": fields})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: damaged; prepare the corpus again") from error


def ids_file(split: str) -> str:
    """Name of the file of a split's ids."""
    return f"{split}.bin"


class Split:
    """The ids of one split, one document after the other, memory-mapped.

    Args:
        name: Of the split, for messages.
        ids: (tokens,) uint16 or uint32, read-only.
        lossless: Whether the tokenizer gives every document of the corpus back.
        end: The token behind each document, if there is one.
        pairs: Of prompts and answers, how long they are.
        packed: Whether windows are cut anywhere, and not where documents begin.
    """

    def __init__(
        self,
        name: str,
        ids: NDArray[np.integer],
        counts: SplitCounts,
        *,
        lossless: bool = True,
        end: int | None = None,
        pairs: Pairs | None = None,
        packed: bool = True,
    ) -> None:
        self.name, self.ids, self.counts, self.lossless = name, ids, counts, lossless
        self.end, self.pairs, self.packed = end, pairs, packed and pairs is None

    def __len__(self) -> int:
        return len(self.ids)

    def windows(self, length: int) -> int:
        """How many windows of `length` tokens lie side by side; InputError where not one does."""
        if length < 1:
            raise InputError(f"windows of {length} tokens: give a length of 1 or more")
        if len(self) < length:
            raise InputError(
                f"the {self.name} split has {len(self)} tokens, fewer than one window of {length};"
                " give a shorter length or prepare more text"
            )
        return len(self) // length

    def window(self, positions: Positions, length: int) -> NDArray[np.int32]:
        """(n, length) ids that begin at token `positions` (n,).

        A pure function of its arguments: who calls decides which positions come in which step, and
        nothing here remembers. Raises IndexError for a window that leaves the split.
        """
        starts = np.asarray(positions, np.int64).reshape(-1)
        last = len(self) - length
        if len(starts) and not 0 <= starts.min() <= starts.max() <= last:
            raise IndexError(
                f"windows at {starts.min()}..{starts.max()}: the {self.name} split has windows of"
                f" {length} tokens at 0..{last}"
            )
        ids: NDArray[np.int32] = self.ids[starts[:, None] + np.arange(length)].astype(np.int32)
        return ids


class Corpus:
    """A folder that `infonoise-text prepare` wrote.

    Args:
        folder: Where it lies.
        manifest: What it is made of.
        tokenizer: That of its ids.
    """

    def __init__(self, folder: Path, manifest: Manifest, tokenizer: Tokenizer) -> None:
        self.folder, self.manifest, self.tokenizer = folder, manifest, tokenizer

    @classmethod
    def open(cls, folder: str | Path, tokenizer: Tokenizer | None = None) -> "Corpus":
        """The corpus in `folder`.

        Args:
            tokenizer: What the ids must have been made with, such as that of a trained model; the
                folder's own by default.

        Raises:
            InputError: Where it is none, damaged or of another tokenizer.
        """
        folder = Path(folder)
        manifest = Manifest.read(folder)
        about = manifest.tokenizer
        if tokenizer is not None and tokenizer.digest != about["digest"]:
            raise InputError(
                f"{folder} was prepared with the tokenizer {about['name']!r}"
                f" ({str(about['digest'])[:12]}), not {tokenizer.name!r}"
                f" ({tokenizer.digest[:12]}); prepare it again with --tokenizer"
            )
        own = load_tokenizer(folder, str(about["name"]))
        if own.digest != about["digest"] or own.size != about["size"]:
            raise InputError(
                f"{folder}: the tokenizer there is not the one its ids were made with; prepare it"
                " again"
            )
        width = np.dtype(manifest.dtype).itemsize
        for name, counts in manifest.splits.items():
            _check_file(folder / ids_file(name), counts.tokens * width, counts.sha256)
            if manifest.pairs is not None:
                size = counts.documents * COLUMNS * DTYPE.itemsize
                _check_file(folder / lengths_file(name), size, manifest.pairs.sha256[name])
        return cls(folder, manifest, own)

    @property
    def digest(self) -> str:
        """SHA-256 of all that the corpus says, in hexadecimal; the same for the same content."""
        m = self.manifest
        content = [m.tokenizer["digest"], *(m.splits[name].sha256 for name in SPLITS)]
        if m.pairs is not None:
            content += [m.pairs.sha256[name] for name in SPLITS]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def split(self, name: str, *, packed: bool = True) -> Split:
        """The split "train", "valid" or "test".

        Args:
            packed: Whether windows are cut anywhere, and not where documents begin; those of pairs
                never are.

        Raises:
            InputError: For another name, and where documents have no end to be told by.
        """
        if name not in SPLITS:
            raise InputError(f"no split {name!r}; give one of {', '.join(SPLITS)}")
        counts = self.manifest.splits[name]
        dtype = np.dtype(self.manifest.dtype).newbyteorder("<")
        ids: NDArray[np.integer] = np.empty(0, dtype)
        if counts.tokens:  # an empty file cannot be mapped
            ids = np.memmap(self.folder / ids_file(name), dtype, "r")
        end = self.tokenizer.end
        if not packed and end is None:
            raise InputError(
                f"--no-packing with the tokenizer {self.tokenizer.name}: it has no token for the"
                " end of a document; give another one, or leave the option out"
            )
        return Split(
            name, ids, counts, lossless=not self.manifest.changed, end=end,
            pairs=self._pairs(name), packed=packed,
        )  # fmt: skip

    def _pairs(self, name: str) -> Pairs | None:
        about = self.manifest.pairs
        if about is None:
            return None
        lengths = np.fromfile(self.folder / lengths_file(name), DTYPE).reshape(-1, COLUMNS)
        return Pairs(lengths, about.longest)

    def codes(self, name: str = "binary") -> CodeBook:
        """The code book "binary" or "semantic" of this corpus."""
        if name == "binary":
            return binary_codes(self.tokenizer.size, self.tokenizer.unknown)
        if name != "semantic":
            raise InputError(f"no codes {name!r}; give binary or semantic")
        path = self.folder / SEMANTIC_FILE
        if not path.is_file():
            raise InputError(
                f"{self.folder}: no semantic codes here; prepare the corpus again with --semantic,"
                " or train with --codes binary"
            )
        return CodeBook.load(path, self.tokenizer.digest)


def _check_file(path: Path, expected: int, sha256: str) -> None:
    """InputError for a file that is not what was prepared."""
    size = path.stat().st_size if path.is_file() else -1
    if size != expected:
        found = "is missing" if size < 0 else f"has {size} bytes"
        raise InputError(f"{path} {found}, not {expected} bytes; prepare the corpus again")
    if sha256_of(path) != sha256:
        raise InputError(f"{path}: is not what was prepared (its sha256); prepare the corpus again")
