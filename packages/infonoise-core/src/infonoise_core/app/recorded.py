"""Which data a run was trained on, and whether others are the same ones."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.errors import InputError

FINGERPRINT = "fingerprint"


def recorded(
    domain: Domain[Data, Options], begun: Mapping[str, Any], data: Data, source: str, out: Path
) -> dict[str, Any]:
    """What config.json says of the data: their summary and fingerprint.

    Args:
        begun: What that of the run that is to go on says, or nothing.

    Raises:
        InputError: Where other data stand in the place of the run's own.
    """
    summary = domain.summary(data)
    if any(summary[key] != begun.get(key) for key in summary):
        return {**summary, FINGERPRINT: domain.fingerprint(data)}
    _say_if_unknown(begun, str(out))
    if FINGERPRINT in begun and not domain.alike(begun[FINGERPRINT], domain.fingerprint(data)):
        raise InputError(
            f"{source}: not the {domain.interface.examples} that {out} was begun with, only as many"
            " of the same kind; give those, or --overwrite"
        )
    return dict(begun)


def refuse_others(
    domain: Domain[Data, Options], known: Mapping[str, Any], data: Data, source: str, run: Path
) -> None:
    """InputError where data are not those that a run's config.json says.

    Args:
        known: What `recorded` said.
    """
    found, what = domain.summary(data), domain.interface.examples
    same = (*domain.labels, *(k for k in found if k not in known or found[k] == known[k]))
    differs = next((k for k in found if k not in same), None)
    if differs:
        words = domain.difference(differs, known, found, run)
        raise InputError(f"{source}: not the {what} of {run}, {words}")
    _say_if_unknown(known, str(run))
    if FINGERPRINT in known and not domain.alike(known[FINGERPRINT], domain.fingerprint(data)):
        raise InputError(
            f"{source}: not the {what} of {run}, only as many of the same kind; give the same ones"
            " with --data"
        )


def _say_if_unknown(known: Mapping[str, Any], run: str) -> None:
    """The first releases wrote down numbers and kinds; that of text also a digest of its own."""
    if not {FINGERPRINT, "digest"} & set(known):
        print(
            f"note: {run} is of an earlier release, which kept no fingerprint of the data: only"
            " numbers and kinds were compared",
            file=sys.stderr,
        )
