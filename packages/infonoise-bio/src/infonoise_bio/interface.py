"""How infonoise-bio is spoken to: everything that its help says, and nothing that needs torch."""

import infonoise_bio
from infonoise_bio.data.options import PLANTED
from infonoise_bio.evaluation.options import EvaluateExtras, ProfileExtras
from infonoise_bio.methods.options import DnaOptions
from infonoise_bio.options import Baselines, Extract, Infill, Inspect, Score
from infonoise_bio.presets import TRAIN_PRESETS
from infonoise_bio.sampling.options import DnaSampler, SampleExtras
from infonoise_core.app.interface import Interface

_COMMANDS = "infonoise_bio.commands"

INTERFACE = Interface(
    program="infonoise-bio",
    version=infonoise_bio.__version__,
    domain="infonoise_bio.domain:DnaDomain",
    examples="sequences",
    data=PLANTED,
    data_help="FASTA, FASTQ, GenBank, EMBL, 2bit, table (.csv, .tsv), one sequence a line, BED, GFF"
    " or GTF, perhaps .gz, .bz2, .xz or .zip; several, a folder of them, or - for standard input;"
    " or planted: made-up promoters",
    several=True,
    options=DnaOptions,
    sample_out="FASTA file to write",
    sampler=DnaSampler(),
    sample=SampleExtras,
    evaluate=EvaluateExtras,
    profile=ProfileExtras,
    samples=1000,
    evaluated=1000,
    own={
        "inspect": (Inspect, f"{_COMMANDS}.inspect:run_inspect"),
        "extract": (Extract, f"{_COMMANDS}.inspect:run_extract"),
        "infill": (Infill, f"{_COMMANDS}.infill:run_infill"),
        "score": (Score, f"{_COMMANDS}.score:run_score"),
        "baselines": (Baselines, f"{_COMMANDS}.baselines:run_baselines"),
    },
    presets={"train": TRAIN_PRESETS},
    describe={
        "train": "Train a denoiser on DNA; the same command goes on after an interruption.",
        "sample": "Design new sequences with a trained run, or with a model of `baselines`.",
        "evaluate": "Measure a trained run on sequences it did not see: likelihood, motifs,"
        " differences from real ones, copies.",
        "profile": "Show where noise destroys the information of the sequences.",
    },
)
