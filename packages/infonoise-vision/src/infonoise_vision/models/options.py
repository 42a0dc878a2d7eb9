"""Names of networks and conditions, to check options by; imports neither torch nor numpy."""

import math

from infonoise_core.errors import InputError

# `registry.NETWORKS` makes each, `conditions.make_condition` each of those.
NETWORKS = (
    *("tiny", "small", "ddpmpp-small", "ddpmpp-cifar10", "ddpmpp-ffhq64", "adm-imagenet64"),
    *("dit-tiny", "dit-small"),
)
CONDITIONS = ("hidden-half", "hidden-box", "superres", "label")


def check_network(name: str) -> None:
    """InputError for a name that no network has."""
    if name not in NETWORKS:
        raise InputError(f"--network {name}: no such network; give one of {', '.join(NETWORKS)}")


def check_condition(kind: str | None) -> None:
    """InputError for a name that no condition has; None is for no condition."""
    if kind is not None and kind not in CONDITIONS:
        raise InputError(
            f"--condition {kind}: no such condition; give one of {', '.join(CONDITIONS)}"
        )


def check_noise(noise: float) -> None:
    """InputError for a `condition_noise` that is no ratio of noise levels."""
    if not 0 <= noise < math.inf:
        raise InputError(f"--condition-noise {noise:g}: give 0 or more, usually 0, 0.1 or 1")
