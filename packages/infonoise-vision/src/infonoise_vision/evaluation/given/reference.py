"""Real images that others are compared with, and what their comparison takes, as one file.

An .npz archive: `about` (JSON as bytes), `images` and `other` (the real images and those of the
other part), their features by kind (`clf`, `clf_other`, `inception`, `inception_other`), the
classifier's weights (`classifier/NAME`), and `mu` and `sigma` of Inception features under the names
that EDM's statistics have. Files of EDM hold these two alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_vision.data.formats.npz import member, opened
from infonoise_vision.data.formats.source import Rows
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.classifier import FEATURES, Classifier
from infonoise_vision.evaluation.fid import moments
from infonoise_vision.evaluation.generated import Split
from infonoise_vision.evaluation.measures import CLASSIFIER, INCEPTION

FORMAT, VERSION = "infonoise-reference", 1
_MEAN, _COVARIANCE = "mu", "sigma"
_WEIGHTS = "classifier/"
_AGAIN = "write it again with --save-reference"

Both = tuple[Tensor, Tensor | None]


@dataclass(frozen=True)
class Reference:
    """Real images of scale 1 to compare with.

    Attributes:
        other: As many of the other part, for the floor; None where there are not so many.
        against: The part that `images` are of.
        classifier: In whose features they are compared; None for none.
        known: Kind of features -> (n, d) those of `images` and of `other`.
    """

    images: ImageSet
    other: ImageSet | None
    against: Split
    classifier: Classifier | None
    known: Mapping[str, Both]

    def take(self, rows: Rows) -> "Reference":
        """Those at `rows`, of both parts."""
        at = torch.from_numpy(rows)
        known = {
            kind: (one[at], None if two is None else two[at])
            for kind, (one, two) in self.known.items()
        }
        other = None if self.other is None else self.other.take(rows)
        return replace(self, images=self.images.take(rows), other=other, known=known)


def holds(path: Path) -> str:
    """What an archive holds: "reference", "moments", or neither."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return ""
    with opened(path) as archive:
        names = set(archive.files)
    if "about" in names:
        return "reference"
    return "moments" if names == {_MEAN, _COVARIANCE} else ""


def read_moments(path: Path) -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d) of Inception features, as EDM's statistics have them."""
    with opened(path) as archive:
        mean, covariance = (
            torch.from_numpy(np.asarray(member(path, archive, key), np.float64))
            for key in (_MEAN, _COVARIANCE)
        )
    d = mean.numel()
    if mean.shape != (d,) or covariance.shape != (d, d):
        raise InputError(f"{path}: mu and sigma are no mean (d,) and covariance (d, d)")
    return mean, covariance


def save_reference(path: Path, reference: Reference) -> None:
    """Write all of it, whole or not at all."""
    images, other = reference.images, reference.other
    about = {
        "format": FORMAT, "version": VERSION, "name": images.name, "levels": images.levels,
        "against": reference.against,
    }  # fmt: skip
    arrays: dict[str, NDArray[Any]] = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "images": np.asarray(images.pixels),
    }
    if other is not None:
        arrays["other"] = np.asarray(other.pixels)
    for kind, (one, two) in reference.known.items():
        arrays[kind] = one.numpy()
        if two is not None:
            arrays[f"{kind}_other"] = two.numpy()
    if reference.classifier is not None:
        weights = reference.classifier.state_dict()
        arrays |= {f"{_WEIGHTS}{name}": v.cpu().numpy() for name, v in weights.items()}
    if INCEPTION in reference.known:
        mean, covariance = moments(reference.known[INCEPTION][0])
        arrays |= {_MEAN: mean.numpy(), _COVARIANCE: covariance.numpy()}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **cast(Any, arrays))


def read_reference(path: Path, device: torch.device) -> Reference:
    """What `save_reference` wrote; InputError for another version and for damage."""
    with opened(path) as archive:
        about = _about(path, archive)
        try:
            return _read(path, archive, about, device)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError):
            raise InputError(f"{path}: damaged; {_AGAIN}") from None


def _about(path: Path, archive: NpzFile) -> dict[str, Any]:
    try:
        about = json.loads(member(path, archive, "about").tobytes())
        kind, version = about["format"], about["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: damaged; {_AGAIN}") from None
    if kind != FORMAT or version != VERSION:
        raise InputError(f"{path}: {kind} {version}, and {FORMAT} {VERSION} is read; {_AGAIN}")
    return dict(about)


def _read(
    path: Path, archive: NpzFile, about: Mapping[str, Any], device: torch.device
) -> Reference:
    def found(key: str) -> Tensor:
        return torch.from_numpy(member(path, archive, key))

    def images(key: str) -> ImageSet:
        return ImageSet(str(about["name"]), member(path, archive, key), about["levels"])

    known: dict[str, Both] = {}
    for kind in (CLASSIFIER, INCEPTION):
        if kind in archive.files:
            two = found(f"{kind}_other") if f"{kind}_other" in archive.files else None
            known[kind] = found(kind), two
    weights = {
        key.removeprefix(_WEIGHTS): found(key) for key in archive.files if key.startswith(_WEIGHTS)
    }
    other = images("other") if "other" in archive.files else None
    part: Split = "train" if about["against"] == "train" else "test"
    reference = Reference(images("images"), other, part, _classifier(weights, device), known)
    _check(path, reference)
    return reference


def _classifier(weights: Mapping[str, Tensor], device: torch.device) -> Classifier | None:
    if not weights:
        return None
    channels, classes = weights["body.0.weight"].shape[1], weights["head.weight"].shape[0]
    classifier = Classifier(channels, classes)
    classifier.load_state_dict(dict(weights))
    return classifier.to(device).eval()


def _check(path: Path, reference: Reference) -> None:
    """InputError unless all parts are of as many images."""
    n = len(reference.images)
    sets = [reference.images, *([] if reference.other is None else [reference.other])]
    clouds = [cloud for both in reference.known.values() for cloud in both if cloud is not None]
    whole = all(len(s) == n for s in sets) and all(c.dim() == 2 and len(c) == n for c in clouds)
    alike = all(one.shape == reference.images.shape for one in sets)
    classified = reference.known.get(CLASSIFIER)
    fits = classified is None or classified[0].shape[1] == FEATURES
    if not (whole and alike and fits and n > 1):
        raise InputError(f"{path}: damaged; {_AGAIN}")
