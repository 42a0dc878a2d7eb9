"""Designs towards measured expression, judged by a model that did not guide them.

python tools/bench/dna_towards.py

Three seeds, each with a run of 450 steps on E. coli promoters of 165 bases: a quarter of an hour of
one core. Runs stay in infonoise-bench and are not trained again.
"""

from of_dna.towards import towards
from suite import Suite

SUITE = Suite("dna-towards", "Designs of DNA towards a goal", {"expression": towards})

if __name__ == "__main__":
    SUITE.main()
