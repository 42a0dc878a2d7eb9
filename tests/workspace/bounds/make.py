"""Writes numbers.json with the code of a commit before likelihoods and profiles were made in core:

    git worktree add OLD dd20491
    PYTHONPATH=OLD/packages/infonoise-core/src:OLD/packages/infonoise-vision/src:... \
        OMP_NUM_THREADS=1 python tests/workspace/bounds/make.py tests/workspace/bounds/numbers.json

The modules it needs have other names today, so it runs with that code alone.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import (
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

from infonoise_core import VarianceExploding
from infonoise_core.training.task import Batch

Numbers = dict[str, list[float]]
CHANNEL = VarianceExploding(SIGMA_MIN, SIGMA_MAX)


def old(name: str) -> Any:
    return importlib.import_module(name)


def images() -> Numbers:
    bound, data = old("infonoise_vision.evaluate"), old("infonoise_vision.data")
    groups = old("infonoise_vision.groups")
    train, held_out = (data.ImageSet("ramps", pixels(n, n), 17) for n in (90, 40))
    real = data.ImageSet("real", (pixels(40, 40) / 8 - 1).astype(np.float32), None)

    def told(part: Any, rows: np.ndarray) -> dict[str, torch.Tensor]:
        known = torch.zeros(len(rows), 1, 8, 8)
        known[:, :, :4] = 1
        known[::3, :, 4:6] = 1
        return {"known": known, "shown": part.x0(rows) * known}

    found = {}
    for name, made in {
        "discrete": bound.LikelihoodBound(held_out, train, SIGMA_MIN, SIGMA_MAX),
        "real": bound.LikelihoodBound(real, real, 0.01, SIGMA_MAX, seed=3),
        "hidden": bound.LikelihoodBound(held_out, train, SIGMA_MIN, SIGMA_MAX, context=told),
    }.items():
        bits = made(Shrink())
        found[f"vision {name}"] = [bits.value, bits.stderr, *made.nats(Shrink()).tolist()]
    many = bound.bound_of_many(
        data.ImageSet("ramps", pixels(600, 600), 17), train, SIGMA_MIN, SIGMA_MAX, Shrink()
    )
    found["vision many"] = [many.value, many.stderr]
    colour = data.ImageSet("colour", pixels(30, 7, channels=3), 17)
    for by, part in (("haar", held_out), ("channel", colour)):
        profile = groups.grouped_profile(Shrink(), part, CHANNEL, by, draws=20)
        found |= profile_numbers(f"vision {by}", profile)
    return found


def profile_numbers(name: str, profile: Any) -> Numbers:
    parts = {f"{name} group {k}": v.tolist() for k, v in profile.groups.items()}
    columns = {k: getattr(profile, k).tolist() for k in ("rate", "stderr")}
    return {**{f"{name} {k}": v for k, v in columns.items()}, **parts}


def sequences() -> Numbers:
    bound, encodings = old("infonoise_bio.bound"), old("infonoise_bio.encoding")
    groups, models = old("infonoise_bio.groups"), old("infonoise_bio.model")
    networks, baselines = old("infonoise_bio.network"), old("infonoise_bio.baselines")
    frequencies = torch.tensor([0.4, 0.2, 0.1, 0.3])
    found = {}
    plain, holes = codes(30, 24, 1), masked(codes(30, 24, 1), 2)
    for name, scale in (("one-hot", 1.0), ("bits", 0.5), ("tetrahedron", 1.0)):
        encoding = encodings.make_encoding(name, scale)
        config = models.ModelConfig(24, networks.NetworkConfig(width=8, depth=1))
        denoiser = fill(models.make_denoiser(config, encoding, 0), 3, 0.2)
        for kind, part in (("", plain), (" masked", holes)):
            ids = torch.from_numpy(part)
            told = {"mask": ids != 4} if kind else {}
            batch = Batch(encoding.encode(ids), told)
            made = bound.LikelihoodBound(batch, encoding, frequencies, SIGMA_MIN, SIGMA_MAX)
            bits = made(denoiser)
            found[f"bio {name}{kind}"] = [bits.value, bits.stderr, *made.nats(denoiser).tolist()]
            for by in ("position", "base") if kind else ():
                grouped = groups.grouped_profile(
                    denoiser, part, batch, frequencies, CHANNEL, by, draws=20
                )
                at = f"bio {name}{kind} {by}"
                found |= profile_numbers(at, grouped.profile)
                for column in ("saved", "stderr", "bases"):
                    found[f"{at} its {column}"] = getattr(grouped, column).tolist()
    sets, encoding = old("infonoise_bio.data"), encodings.make_encoding("one-hot")
    config = models.ModelConfig(24, networks.NetworkConfig(width=8, depth=1))
    held_out = sets.SequenceSet(
        "made", holes, np.array([str(i) for i in range(30)]), np.full(30, 2, np.uint8)
    )
    for kind in ("masked", "autoregressive"):
        model = fill(baselines.baseline_model(kind, config, encoding, 0), 4, 0.2)
        measured = baselines.BaselineBits(kind, held_out, encoding)(model)
        found[f"bio baseline {kind}"] = list(measured.values())
        draws = old("infonoise_bio.baseline_designs").design_from_given(
            model, 9, 8, seed=2, chunk=5
        )
        found[f"bio drawn {kind}"] = np.concatenate(list(draws)).flatten().tolist()
    return found


def text() -> Numbers:
    bound, codebooks = old("infonoise_text.evaluate"), old("infonoise_text.codes")
    groups, paths = old("infonoise_text.groups"), old("infonoise_text.clusters.bound")
    books, data = old("infonoise_text.clusters.book"), old("infonoise_text.data")
    ids, book = tokens(40, 12, 11, 1), codebooks.binary_codes(11)
    found = {}
    known = torch.arange(12) % 3 == 0
    for name, made in {
        "plain": bound.LikelihoodBound(ids, book, SIGMA_MAX),
        "few": bound.LikelihoodBound(ids[:9], book, SIGMA_MAX, seed=4),
        "known": bound.LikelihoodBound(ids, book, SIGMA_MAX, known=known),
    }.items():
        found[f"text {name}"] = [getattr(made(Neighbours()), k) for k in ("nats", "stderr")]
    for by in ("bit", "position"):
        profile = groups.measured_profile(Neighbours(), ids, book, SIGMA_MIN, SIGMA_MAX, by)
        found |= profile_numbers(f"text {by}", profile)
    tree = codebooks.CodeBook(torch.arange(11).flip(0), 4, 0, "semantic")
    both = books.ClusterBook(book, tree, 4)
    path = torch.tensor([[SIGMA_MAX, SIGMA_MAX], [0.2, 3.0], [0.05, 0.05]])
    made = paths.PathBound(ids, both, path)(Neighbours())
    found["text path"] = [made.nats, made.stderr]
    flat = ids.flatten().numpy().astype(np.uint16)
    split = data.Split("valid", flat, data.SplitCounts(1, len(flat), 2 * len(flat), ""))
    tokenwise = old("infonoise_text.baselines.tokens")
    for kind in ("masked", "autoregressive"):
        module = old(f"infonoise_text.baselines.{kind}")
        model = KnowsTokens(11, start=11)
        made = tokenwise.TokenEvaluation(split, 12, module.MEASURE, seed=5)(model)
        found[f"text baseline {kind}"] = list(made.values())
        drawn = module.sample(model, 7, 12, seed=6, chunk=4).ids
        found[f"text drawn {kind}"] = drawn.flatten().tolist()
    embedding = old("infonoise_text.baselines.embedding")
    trunk = old("infonoise_text.network").TrunkConfig(width=16, blocks=1, heads=2)
    model = fill(embedding.EmbeddingDenoiser(11, trunk), 6, 0.3)
    made = embedding.EmbeddingEvaluation(split, 12, SIGMA_MAX)(model)
    found["text embedding"] = list(made.values())
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    numbers = {**images(), **sequences(), **text()}
    short = {k: [float(f"{x:.10g}") for x in v] for k, v in numbers.items()}
    Path(sys.argv[1]).write_text(json.dumps(short) + "\n")
