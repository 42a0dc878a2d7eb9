"""Likelihoods, profiles and draws are those of the release that made each domain's by itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation import groups as base_groups
from infonoise_bio.evaluation.bound import LikelihoodBound as SequenceBound
from infonoise_bio.methods.autoregressive import sample_left_to_right
from infonoise_bio.methods.masked import sample_masked
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.registry import BASELINES
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.denoiser import make_denoiser
from infonoise_bio.models.encoding import make_encoding
from infonoise_bio.models.network import NetworkConfig
from infonoise_core import VarianceExploding
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training.task import Batch
from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.codes.clusters import ClusterBook
from infonoise_text.data.corpus import Split, SplitCounts
from infonoise_text.evaluation import groups as text_groups
from infonoise_text.evaluation.bound import LikelihoodBound as WindowBound
from infonoise_text.methods import autoregressive, embedding
from infonoise_text.methods import masked as masked_tokens
from infonoise_text.methods.clusters.bound import PathBound
from infonoise_text.methods.tokens import TokenEvaluation
from infonoise_text.models.config import TrunkConfig
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation import groups as image_groups
from infonoise_vision.evaluation.bound import LikelihoodBound as ImageBound
from infonoise_vision.evaluation.bound import bound_of_many

from .cases import (
    SIGMA_MAX,
    SIGMA_MIN,
    KnowsTokens,
    Neighbours,
    Shrink,
    codes,
    fill,
    masked,
    pixels,
    tokens,
)

# Written by make.py from the code of commit dd20491.
OLD: Mapping[str, list[float]] = json.loads((Path(__file__).parent / "numbers.json").read_text())
CHANNEL = VarianceExploding(SIGMA_MIN, SIGMA_MAX)
FREQUENCIES = torch.tensor([0.4, 0.2, 0.1, 0.3])


def same(name: str, found: Any) -> None:
    """To 1e-6 of the largest of the numbers: float32 networks on another processor."""
    expected = torch.tensor(OLD[name], dtype=torch.float64)
    found = torch.as_tensor(found, dtype=torch.float64)
    tolerance = 1e-6 * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=tolerance, msg=name)


def images(n: int, seed: int) -> ImageSet:
    return ImageSet("ramps", pixels(n, seed), 17)


def given(part: ImageSet, rows: np.ndarray) -> dict[str, torch.Tensor]:
    known = torch.zeros(len(rows), 1, 8, 8)
    known[:, :, :4] = 1
    known[::3, :, 4:6] = 1
    return {"known": known, "shown": part.x0(rows) * known}


def test_bits_per_dim_of_images() -> None:
    train, held_out = images(90, 90), images(40, 40)
    real = ImageSet("real", (pixels(40, 40) / 8 - 1).astype(np.float32), None)
    for name, bound in {
        "discrete": ImageBound(held_out, train, SIGMA_MIN, SIGMA_MAX),
        "real": ImageBound(real, real, 0.01, SIGMA_MAX, seed=3),
        "hidden": ImageBound(held_out, train, SIGMA_MIN, SIGMA_MAX, conditioning=given),
    }.items():
        bits = bound(Shrink())
        same(f"vision {name}", [bits.value, bits.stderr, *bound.nats(Shrink()).tolist()])
    many = bound_of_many(images(600, 600), train, SIGMA_MIN, SIGMA_MAX, Shrink())
    same("vision many", [many.value, many.stderr])


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize(("name", "scale"), [("one-hot", 1.0), ("bits", 0.5), ("tetrahedron", 1.0)])
def test_bits_per_base_of_sequences(name: str, scale: float, mask: bool) -> None:
    encoding = make_encoding(name, scale)
    config = ModelConfig(24, NetworkConfig(width=8, depth=1))
    denoiser = fill(make_denoiser(config, encoding, 0), 3, 0.2)
    ids = torch.from_numpy(masked(codes(30, 24, 1), 2) if mask else codes(30, 24, 1))
    batch = Batch(encoding.encode(ids), {"mask": ids != 4} if mask else {})
    bound = SequenceBound(batch, encoding, FREQUENCIES, SIGMA_MIN, SIGMA_MAX)
    bits = bound(denoiser)
    at = f"bio {name}{' masked' if mask else ''}"
    same(at, [bits.value, bits.stderr, *bound.nats(denoiser).tolist()])


def test_nats_per_token_of_windows() -> None:
    ids, book = tokens(40, 12, 11, 1), binary_codes(11)
    known = torch.arange(12) % 3 == 0
    path = torch.tensor([[SIGMA_MAX, SIGMA_MAX], [0.2, 3.0], [0.05, 0.05]])
    both = ClusterBook(book, CodeBook(torch.arange(11).flip(0), 4, 0, "semantic"), 4)
    for name, bound in {
        "plain": WindowBound(ids, book, SIGMA_MAX),
        "few": WindowBound(ids[:9], book, SIGMA_MAX, seed=4),
        "known": WindowBound(ids, book, SIGMA_MAX, known=known),
        "path": PathBound(ids, both, path),
    }.items():
        found = bound(Neighbours())
        same(f"text {name}", [found.nats, found.stderr])


def split() -> Split:
    flat = tokens(40, 12, 11, 1).flatten().numpy().astype(np.uint16)
    return Split("valid", flat, SplitCounts(1, len(flat), 2 * len(flat), ""))


def test_bits_per_byte_of_embeddings() -> None:
    trunk = TrunkConfig(width=16, blocks=1, heads=2)
    model = fill(embedding.EmbeddingDenoiser(11, trunk), 6, 0.3)
    found = embedding.EmbeddingEvaluation(split(), 12, SIGMA_MAX)(model)
    same("text embedding", list(found.values()))


def same_profile(name: str, profile: EntropyRateProfile) -> None:
    for column in ("rate", "stderr"):
        same(f"{name} {column}", getattr(profile, column))
    assert profile.groups
    for group, rate in profile.groups.items():
        same(f"{name} group {group}", rate)


def test_profiles_of_images_by_group() -> None:
    colour = ImageSet("colour", pixels(30, 7, channels=3), 17)
    found = image_groups.grouped_profile(Shrink(), images(40, 40), CHANNEL, "haar", draws=20)
    same_profile("vision haar", found)
    found = image_groups.grouped_profile(Shrink(), colour, CHANNEL, "channel", draws=20)
    same_profile("vision channel", found)


@pytest.mark.parametrize("by", ["bit", "position"])
def test_profiles_of_text_by_group(by: Any) -> None:
    ids, book = tokens(40, 12, 11, 1), binary_codes(11)
    found = text_groups.measured_profile(Neighbours(), ids, book, SIGMA_MIN, SIGMA_MAX, by)
    same_profile(f"text {by}", found)


@pytest.mark.parametrize("by", ["position", "base"])
@pytest.mark.parametrize(("name", "scale"), [("one-hot", 1.0), ("bits", 0.5), ("tetrahedron", 1.0)])
def test_profiles_of_sequences_by_group(name: str, scale: float, by: Any) -> None:
    encoding = make_encoding(name, scale)
    config = ModelConfig(24, NetworkConfig(width=8, depth=1))
    denoiser: Any = fill(make_denoiser(config, encoding, 0), 3, 0.2)
    part = masked(codes(30, 24, 1), 2)
    ids = torch.from_numpy(part)
    batch = Batch(encoding.encode(ids), {"mask": ids != 4})
    found = base_groups.grouped_profile(denoiser, part, batch, FREQUENCIES, CHANNEL, by, draws=20)
    same_profile(f"bio {name} masked {by}", found.profile)
    for column in ("saved", "stderr", "bases"):
        same(f"bio {name} masked {by} its {column}", getattr(found, column))


@pytest.mark.parametrize("kind", ["masked", "autoregressive"])
def test_baselines_of_text(kind: str) -> None:
    module: Any = masked_tokens if kind == "masked" else autoregressive
    model = KnowsTokens(11, start=11)
    found = TokenEvaluation(split(), 12, module.MEASURE, seed=5)(model)
    same(f"text baseline {kind}", list(found.values()))
    drawn = module.sample(model, 7, 12, seed=6, chunk=4).ids
    assert drawn.flatten().tolist() == OLD[f"text drawn {kind}"]


@pytest.mark.parametrize("kind", ["masked", "autoregressive"])
def test_baselines_of_sequences(kind: str) -> None:
    encoding = make_encoding("one-hot", 1.0)
    config = ModelConfig(24, NetworkConfig(width=8, depth=1))
    model: Any = fill(BASELINES[kind].network(config, encoding, 0), 4, 0.2)
    holes, names = masked(codes(30, 24, 1), 2), np.array([str(i) for i in range(30)])
    held_out = SequenceSet("made", holes, names, np.full(30, 2, np.uint8))
    evaluation: Any = BASELINES[kind].evaluation(Objective("forward"), held_out, held_out)
    same(f"bio baseline {kind}", list(evaluation(model).values()))
    if kind == "masked":
        draws = sample_masked(model, 9, 8, seed=2, chunk=5)
    else:
        draws = sample_left_to_right(model, 9, seed=2, chunk=5)
    assert np.concatenate(list(draws)).flatten().tolist() == OLD[f"bio drawn {kind}"]
