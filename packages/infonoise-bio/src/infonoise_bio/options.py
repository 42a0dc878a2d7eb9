"""Options of the verbs that only DNA has, free of heavy imports."""

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.options import PLANTED, Change, Examples, Windowing
from infonoise_bio.methods.options import Objective
from infonoise_bio.sampling.options import ConditionOptions, DnaSampler
from infonoise_core.config.several import Files
from infonoise_core.errors import InputError
from infonoise_core.training.config import TrainConfig


@dataclass(frozen=True)
class Inspect:
    """Print what a file of sequences holds, and what in it would spoil a model."""

    data: Positional[Files]
    """FASTA, GenBank, table (.csv, .tsv) or BED file and the like, perhaps .gz; several, a folder
    of them, or - for standard input"""
    window: int | None = None
    """length examples shall have: an error where a sequence is shorter"""
    label: str | None = None
    """count the values of this column, FASTA header word or qualifier"""
    split_column: str = "split"
    """the one that says train, val or test"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)


@dataclass(frozen=True)
class Extract:
    """Cut windows around GenBank features or BED intervals into a FASTA file."""

    data: Positional[Files]
    """GenBank or EMBL file with --feature, BED file with --genome, GFF or GTF file with both"""
    out: Path
    """FASTA file to write"""
    overwrite: bool = False
    """replace the file --out"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)


@dataclass(frozen=True)
class Infill:
    """Redesign the marked parts of sequences and keep the rest."""

    run: Positional[Path]
    """the --out of a train command with --infill above 0"""
    templates: Positional[Path]
    """FASTA, GenBank or table of sequences as long as the model's"""
    out: Path
    """FASTA file to write"""
    change: Change = "n"
    """what may change: the letters N, lower-case bases, or those of a GenBank --feature; N always
    does, to any base, and other IUPAC letters to theirs: R to A or G"""
    each: int = 1
    """designs for each template"""
    overwrite: bool = False
    """replace the file --out"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)
    condition: OmitArgPrefixes[ConditionOptions] = field(default_factory=ConditionOptions)
    sampler: OmitArgPrefixes[DnaSampler] = field(default_factory=DnaSampler)

    def __post_init__(self) -> None:
        if self.each < 1:
            raise InputError(f"--each {self.each}: give at least 1")


@dataclass(frozen=True)
class Score:
    """Write how probable each sequence is to a trained model: an upper bound on -log p.

    Or what a change of letters does to it: of the alleles of a VCF file, or of sequences in pairs.
    """

    run: Positional[Path]
    """the --out of a train command"""
    out: Path
    """table to write: id, bases, nats, bits per base and the standard error of the estimate; of
    changes, both bounds in nats, their difference (above 0 where the alternative is more probable)
    and its standard error"""
    data: Positional[Files] = ""
    """FASTA, GenBank, table or BED file and the like; it may be larger than memory"""
    vcf: Path | None = None
    """variants, each in the middle of a window of --genome as long as the model's sequences"""
    pairs: bool = False
    """the sequences are references and alternatives in turn, two of each other"""
    track: Path | None = None
    """bedGraph to write beside: bits of every base, at the place that the ids say"""
    logo: Path | None = None
    """picture to write beside (.svg, .png or .pdf): the first 8 sequences, letters as high as the
    bits by which the model expects them"""
    label: str | None = None
    """the class they are scored as"""
    levels: int = 64
    """noise levels per sequence: four times as many halve the error"""
    chunk: int = 64
    """sequences at a time"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace the file --out"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)
    windowing: OmitArgPrefixes[Windowing] = field(default_factory=Windowing)

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise InputError(f"--chunk {self.chunk}: give at least 1")
        if self.vcf is None and not self.data:
            raise InputError("nothing to score: give a file of sequences, or --vcf FILE")
        if self.vcf is not None and self.data:
            raise InputError(f"--vcf {self.vcf}: leave out {self.data}, or --vcf")
        if self.vcf is not None and self.reading.genome is None:
            raise InputError(f"--vcf {self.vcf}: variants need their sequence; give --genome FILE")
        changes = self.pairs or self.vcf is not None
        if self.pairs and self.vcf is not None:
            raise InputError("--pairs is for sequences, --vcf has pairs of its own; leave out one")
        if changes and (self.track is not None or self.logo is not None):
            raise InputError("--track and --logo are of sequences: score those without --pairs")


@dataclass(frozen=True)
class Baselines:
    """Train a masked-diffusion and an autoregressive model on the network that `train` would have.

    Both are stopped where they are best on the validation part, and measured on the test part.
    """

    out: Path
    """folder for both models (masked, autoregressive), which `sample` takes, and baselines.json"""
    objective: OmitArgPrefixes[Objective]
    patience: int = 0
    """evaluations (--eval-every) in a row that are no better, after which it stops; 0 for never"""
    data: Positional[Files] = PLANTED
    """as in train"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace earlier ones in --out"""
    examples: OmitArgPrefixes[Examples] = field(default_factory=Examples)
    train: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if self.patience < 0:
            raise InputError(f"--patience {self.patience}: give 0 or more evaluations")
        if self.patience and (not self.train.eval_every or self.train.lr_schedule != "constant"):
            raise InputError(
                f"--patience {self.patience} needs evaluations on the way and a learning rate that"
                " does not hang on the end: give --eval-every, and --lr-schedule constant"
            )
