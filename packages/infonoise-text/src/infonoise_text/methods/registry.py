"""The methods by name."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import Corpus
from infonoise_text.methods import autoregressive, masked
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.base import Method
from infonoise_text.methods.bits import Bits
from infonoise_text.methods.clusters.method import Clusters
from infonoise_text.methods.embedding import Embeddings
from infonoise_text.methods.options import Objective, TextOptions

METHODS: Mapping[str, Callable[[Objective, Assets], Method]] = {
    "bits": Bits,
    "autoregressive": autoregressive.method,
    "masked": masked.method,
    "embedding": Embeddings,
}
# Those that have a variant with clusters.
CLUSTERED: Mapping[str, Callable[[Objective, Assets], Method]] = {"bits": Clusters}


def make_method(options: TextOptions, assets: Assets) -> Method:
    """The method that the options name, with clusters where the assets have some."""
    kinds = METHODS if assets.clusters is None else CLUSTERED
    return kinds[options.method](options.objective, assets)


def method_of(options: TextOptions, corpus: Corpus) -> Method:
    """The method that the options name, for the tokens of a corpus."""
    _check_pairs(options, corpus)
    objective = replace(options.objective, codes=options.codes)
    return make_method(options, Assets.of(corpus, objective, options.clusters))


def _check_pairs(options: TextOptions, corpus: Corpus) -> None:
    """InputError for pairs and a method whose network cannot be given a prompt."""
    if corpus.manifest.pairs is None:
        return
    what = "--method embedding" if options.method == "embedding" else None
    what = "--clusters" if options.clusters is not None else what
    if what is not None:
        raise InputError(
            f"{what} with pairs: its bound is not of answers alone; give bits, masked or"
            " autoregressive, or prepare text without --answer"
        )
