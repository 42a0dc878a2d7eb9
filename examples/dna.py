"""DNA: learn made-up promoters whose truth is known, design new ones, and look for what is wrong.

`planted` makes promoters of two classes with motifs at known places, so that the designs can be
held against the truth. Any FASTA, GenBank or BED file of yours goes in its place.

    python examples/dna.py           60 seconds on one CPU core (infonoise-bio)

The same by hand: `infonoise-bio train planted --strand forward --out run`, and so on.
"""

import sys
import tempfile
from pathlib import Path

from infonoise_bio.cli import main as infonoise_bio


def run(command: str) -> None:
    """One command, as it would be typed; it ends here if it fails."""
    print(f"\n$ infonoise-bio {command}")
    if code := infonoise_bio(command.split()):
        sys.exit(code)


def main(steps: int = 200, samples: int = 200) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/run"
        # Which strand is given: a promoter read backwards is none.
        run(f"train planted --strand forward --steps {steps} --out {out}")
        # Where noise destroys these sequences, base by base.
        run(f"profile {out} --by base")
        # One class of two, and a touch of guidance towards it.
        designs = f"{folder}/designs.fa"
        run(f"sample {out} --samples {samples} --label induced --guidance 1.5 --out {designs}")
        print(*Path(designs).read_text().splitlines()[:6], sep="\n")
        # Likelihood, motifs, classifiers and copies, beside a Markov chain and real sequences.
        run(f"evaluate {out} --samples {samples}")


if __name__ == "__main__":
    main()
