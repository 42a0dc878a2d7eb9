"""The fingerprint of images: the same where they are the same, whatever rounds them otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from infonoise_core.app.trained import recorded, refuse_others
from infonoise_core.errors import InputError
from infonoise_vision.data.fingerprint import describe, fingerprint
from infonoise_vision.data.images import ImageSet, Parts, load_images
from infonoise_vision.domain import DOMAIN


def parts_of(images: ImageSet) -> Parts:
    return Parts(*images.split(), own_test=False)


def check(known: dict, images: ImageSet) -> None:
    refuse_others(DOMAIN, known, parts_of(images), "data", "run")


def known_of(images: ImageSet, begun: dict | None = None) -> dict:
    return recorded(DOMAIN, begun or {}, parts_of(images), "data", "run")


def real(n: int = 60, seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    return ImageSet("real", rng.normal(3, 7, (n, 2, 5, 5)).astype(np.float32), None)


SETS = {
    "digits": lambda: load_images(limit=200),
    "bits": lambda: load_images(limit=200, binarize=0.5),
    "real": real,
    "one pixel": lambda: ImageSet("p", np.arange(90, dtype=np.float32).reshape(-1, 1, 1, 1), None),
}


@pytest.mark.parametrize("name", SETS)
def test_the_same_images_are_the_same_at_any_scale(name):
    images = SETS[name]()
    known = known_of(images)
    check(known, images)
    check(known, replace(images, scale=0.1))
    assert known == known_of(images)
    assert "\n" not in known["fingerprint"]


@pytest.mark.parametrize("name", SETS)
def test_others_of_the_same_kind_are_not(name):
    images = SETS[name]()
    known = known_of(images)
    others = [replace(images, pixels=images.pixels[::-1].copy())]
    if name != "one pixel":
        others += [replace(images, pixels=images.pixels[..., ::-1].copy())]
    for other in others:
        assert describe(*other.split()) == describe(*images.split())
        with pytest.raises(InputError, match="not the images of run, only as many of the same"):
            check(known, other)


def test_a_few_pixels_rounded_otherwise_are_the_same_images():
    images = ImageSet(
        "bytes", np.random.default_rng(0).integers(1, 255, (80, 3, 8, 8), np.uint8), 256
    )
    step = np.random.default_rng(1).integers(-1, 2, images.pixels.shape)
    other = replace(images, pixels=(images.pixels + step).astype(np.uint8))
    check(known_of(images), other)


def test_what_is_known_of_a_run_that_goes_on_stays():
    images = real()
    begun = known_of(images)
    assert known_of(images, begun) == begun
    before = describe(*images.split())
    assert known_of(images, before) == before
    # Where counts differ it is for the run's folder to say so.
    more = real(61)
    assert known_of(more, begun) == known_of(more)


def test_it_reads_few_rows_of_a_mapped_file(tmp_path):
    rows = []

    class Watched(np.ndarray):
        def __getitem__(self, key):
            rows.append(np.asarray(key).tolist())
            return np.asarray(super().__getitem__(key))

    pixels = np.random.default_rng(0).integers(0, 256, (500, 1, 4, 4), np.uint8)
    watched = ImageSet("mapped", pixels.view(Watched), 256)
    fingerprint(watched, watched)
    assert len(rows) == 2
    assert len(rows[0]) == 16
    assert (rows[0][0], rows[0][-1]) == (0, 499)
