"""Names of networks and conditions, to check options by; imports neither torch nor numpy."""

import math
import re
from dataclasses import dataclass

from infonoise_core.errors import InputError

# `registry.NETWORKS` makes each, `conditions.make_condition` each of those.
NETWORKS = (
    *("tiny", "small", "ddpmpp-small", "ddpmpp-cifar10", "ddpmpp-ffhq64", "adm-imagenet64"),
    *("dit-tiny", "dit-small"),
)
CONDITIONS = ("hidden-half", "hidden-box", "superres", "label", "pair")
# Forms of networks that may be given with sizes of their own.
FORMS = ("ddpmpp", "ncsnpp", "adm")
# What names of networks of Diffusers begin with; a path follows.
THEIRS = "diffusers:"


@dataclass(frozen=True)
class Sizes:
    """A U-Net of EDM of any size, as in `ddpmpp:128:2-2-2:4:16`.

    Attributes:
        form: One of FORMS.
        width: Channels that all others are multiples of.
        multipliers: Of each level.
        blocks: Of each level.
        attention: Sides of the levels that attend.
    """

    form: str
    width: int
    multipliers: tuple[int, ...]
    blocks: int
    attention: tuple[int, ...]

    @property
    def name(self) -> str:
        """As --network has it."""
        attention = "-".join(map(str, self.attention)) or "0"
        multipliers = "-".join(map(str, self.multipliers))
        return f"{self.form}:{self.width}:{multipliers}:{self.blocks}:{attention}"


def parse_sizes(name: str) -> Sizes | None:
    """The sizes in a network's name; None where it has none."""
    numbers = r"\d{1,5}(?:-\d{1,5}){0,9}"
    found = re.fullmatch(
        rf"({'|'.join(FORMS)}):(\d{{1,5}}):({numbers}):(\d{{1,3}}):({numbers})", name
    )
    if found is None:
        return None
    multipliers, attention = (tuple(map(int, found[i].split("-"))) for i in (3, 5))
    attention = tuple(side for side in attention if side)
    return Sizes(found[1], int(found[2]), multipliers, int(found[4]), attention)


def is_own(name: str) -> bool:
    """Whether a network's name is module:callable of the user's."""
    found = re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", name)
    return found is not None and name.partition(":")[0] not in (*FORMS, THEIRS.rstrip(":"))


def check_network(name: str) -> None:
    """InputError for a name that no network has."""
    if (name.startswith(THEIRS) and name != THEIRS) or is_own(name):
        return
    if name not in NETWORKS and parse_sizes(name) is None:
        raise InputError(
            f"--network {name}: no such network; give one of {', '.join(NETWORKS)}, or sizes as in"
            " ddpmpp:128:2-2-2:4:16 (also ncsnpp, adm), or diffusers:config.json, or"
            " module:callable of your own"
        )


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
