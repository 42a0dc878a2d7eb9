"""Designs towards measured expression, judged by a model that did not guide them.

python tools/bench/dna_towards.py

A run of 450 steps on E. coli promoters of 165 bases (half an hour on a busy core), and some minutes
of sampling; the run stays in infonoise-bench and is not trained again.
"""

from of_dna.towards import towards
from suite import Suite

SUITE = Suite("dna-towards", "Designs of DNA towards a goal", {"expression": towards})

if __name__ == "__main__":
    SUITE.main()
