"""The methods by name."""

from collections.abc import Callable, Mapping

from infonoise_core.errors import InputError
from infonoise_text.methods import autoregressive, masked
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.base import Method
from infonoise_text.methods.bits import Bits
from infonoise_text.methods.clusters.method import Clusters
from infonoise_text.methods.embedding import Embeddings
from infonoise_text.methods.options import Objective

METHODS: Mapping[str, Callable[[Objective, Assets], Method]] = {
    "bits": Bits,
    "autoregressive": autoregressive.method,
    "masked": masked.method,
    "embedding": Embeddings,
}
# Those that have a variant with clusters.
CLUSTERED: Mapping[str, Callable[[Objective, Assets], Method]] = {"bits": Clusters}


def make_method(name: str, objective: Objective, assets: Assets) -> Method:
    """The method of that name, with clusters where the assets have some."""
    return (METHODS if assets.clusters is None else CLUSTERED)[name](objective, assets)


def check_method(name: str, clusters: int | None) -> None:
    """InputError for a method that is none, or that knows no clusters and is given some."""
    if name not in METHODS:
        raise InputError(f"--method {name}: no such method; give one of {', '.join(METHODS)}")
    if clusters is not None and name not in CLUSTERED:
        raise InputError(f"--clusters {clusters} with --method {name}: only bits have clusters")
