"""The context law and cross entropy on DNA in paired runs; `bio` has the longer comparisons.

python tools/bench/dna_laws.py
python tools/bench/dna_laws.py --only promoters

Runs that are finished stay in infonoise-bench and are not run again. A run of 1,000 updates takes
some 80 s on one quiet core for 50 bases, twice that for 100: an hour and a half in all.
"""

from functools import partial

from of_dna.designs import CHIP, TSS
from of_dna.laws import TUNED, Study, study
from suite import Suite

# Updates of every run.
STEPS = ("--steps", "1000")
PROMOTERS = Study(
    "dna-laws-tss",
    "E. coli promoters, 50 bases",
    [str(TSS), "--strand", "forward", *STEPS],
    TSS,
    tuned=TUNED,
)
PEAKS = Study(
    "dna-laws-chip",
    "CTCF and PU.1 peaks, 100 bases",
    [str(CHIP), "--strand", "both", *STEPS],
    CHIP,
)

SUITE = Suite(
    "dna-laws",
    "Laws of noise levels and losses on DNA",
    {"promoters": partial(study, PROMOTERS), "peaks": partial(study, PEAKS)},
)

if __name__ == "__main__":
    SUITE.main()
