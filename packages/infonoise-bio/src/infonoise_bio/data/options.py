"""Options of data, free of heavy imports: a command line is parsed by them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tyro.conf import OmitArgPrefixes

from infonoise_bio.data.formats.options import Reading
from infonoise_core.config.idle import Idle
from infonoise_core.errors import InputError

# Data of this name are made up: they need no file.
PLANTED = "planted"

# both: the other strand is as good an example; forward: it is none.
Strand = Literal["both", "forward"]
Anchor = Literal["center", "start", "end"]
Lengths = Literal["one", "as-they-are"]
Shorter = Literal["error", "pad", "drop"]
Ambiguous = Literal["mask", "drop", "error"]
LowerCase = Literal["ignore", "keep", "mask"]
SplitBy = Literal["auto", "similarity", "region", "chromosome", "column"]
# What of a template may change.
Change = Literal["n", "lower", "feature"]


@dataclass(frozen=True)
class Windowing:
    """How long sequences are, and what becomes of letters that are no clear base."""

    window: int | None = None
    """length of an example, where sequences differ in length; with --lengths as-they-are, what
    longer ones are cropped to"""
    lengths: Lengths = "one"
    """one: all examples have the same; as-they-are: each keeps its own, and new ones are drawn as
    long as those of training are"""
    stride: int | None = None
    """cut windows this far apart out of longer sequences, instead of one"""
    anchor: Anchor = "center"
    """which part of a longer sequence is kept, and where a shorter one lies in its padding"""
    shorter: Shorter = "error"
    """sequences shorter than the window; padding is masked"""
    ambiguous: Ambiguous = "mask"
    """bases that are not A C G T: mask them, drop the sequence, or stop"""
    lower_case: LowerCase = "ignore"
    """lower-case (soft-masked) bases: read as others, keep a note of them, or mask them"""

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise InputError(f"--window {self.window}: give 1 base or more")
        if self.stride is not None and (self.stride < 1 or self.window is None):
            raise InputError(f"--stride {self.stride}: give 1 base or more, and --window with it")
        if self.as_they_are and (self.stride is not None or self.shorter != "error"):
            raise InputError(
                "--lengths as-they-are cuts no windows and pads none: leave out --stride and"
                " --shorter"
            )

    @property
    def as_they_are(self) -> bool:
        """Whether each sequence keeps its length."""
        return self.lengths == "as-they-are"


@dataclass(frozen=True)
class Splitting:
    """Which sequences are held out."""

    split: SplitBy = "auto"
    """auto: the file's own column where it has one, else by similarity on either strand, and by
    region where overlapping windows of one genome make that impossible; region: a stretch of the
    genome (or file) each, for windows of one genome and for sequences that are all alike"""
    split_column: str = "split"
    """column, FASTA header word or qualifier that says train, val or test"""
    val: float = 0.1
    """share for validation"""
    test: float = 0.1
    """share for the test"""
    val_chromosomes: str = ""
    """comma-separated; with --split chromosome"""
    test_chromosomes: str = ""
    """comma-separated; with --split chromosome"""
    cluster_k: int | None = None
    """length of a shared k-mer that makes two sequences similar; by their length if not given"""
    split_seed: int = 0
    """which clusters or chromosomes are held out"""

    def __post_init__(self) -> None:
        if min(self.val, self.test) < 0 or self.val + self.test >= 1:
            raise InputError(f"--val {self.val} --test {self.test}: give shares that leave some")
        if self.cluster_k is not None and not 4 <= self.cluster_k <= 31:
            raise InputError(f"--cluster-k {self.cluster_k}: give 4 to 31 bases")

    def idle(self) -> Iterator[Idle]:
        """Options that the way of splitting does not look at."""
        named = self.split == "chromosome" and bool(self.val_chromosomes or self.test_chromosomes)
        if self.split != "chromosome":
            for name in ("val_chromosomes", "test_chromosomes"):
                yield Idle(self, name, "goes with --split chromosome; give it")
        val, test = self.chromosomes(self.val_chromosomes), self.chromosomes(self.test_chromosomes)
        if both := next((name for name in val if name in test), None):
            why = f"'{both}' is among --test-chromosomes, too; name it for one of them"
            yield Idle(self, "val_chromosomes", why)
        if self.split not in ("auto", "column"):
            yield Idle(self, "split_column", "goes with --split column; give it")
        if self.split == "column" or named:
            by = "the chromosomes that are named say" if named else "the column says"
            for name in ("val", "test", "split_seed"):
                yield Idle(self, name, f"{by} which sequences are held out; take that away")

    @staticmethod
    def chromosomes(text: str) -> list[str]:
        """The names in an option."""
        return [word.strip() for word in text.split(",") if word.strip()]


@dataclass(frozen=True)
class Examples:
    """How a file becomes sequences; the same in train and compare."""

    label: str | None = None
    """column, FASTA header word or qualifier that holds the class of a sequence"""
    unlabelled: bool = False
    """sequences without a label are examples of no class; without this they are an error"""
    numbers: tuple[str, ...] = ()
    """those that hold numbers, such as measured activities"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)
    windowing: OmitArgPrefixes[Windowing] = field(default_factory=Windowing)
    splitting: OmitArgPrefixes[Splitting] = field(default_factory=Splitting)

    def __post_init__(self) -> None:
        if self.label is not None and not self.label.strip():
            raise InputError("--label: is empty; give the name of a field, or leave it out")
        twice = next((name for name in self.numbers if self.numbers.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"--numbers: {twice} is named twice; name it once")

    def idle(self) -> Iterator[Idle]:
        """Options of labels where there are none."""
        if self.label is None:
            yield Idle(self, "unlabelled", "give --label with the field that may be empty")
