"""A small classifier of the training images, in whose features image sets are compared offline.

Trained once for a data set and kept in a cache folder, under a hash of the images, their labels
and how it is trained.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_core.training.progress import progress
from infonoise_vision.data.formats.source import CHUNK
from infonoise_vision.data.images import ImageSet

# Part of the hash: a change trains anew.
RECIPE = {"version": 1, "epochs": 3, "least_steps": 400, "batch": 128, "lr": 2e-3, "seed": 0}
FEATURES = 64


class Classifier(nn.Module):
    """Images (n, c, h, w) between -1 and 1 -> logits (n, classes); about 80 k parameters."""

    centre: Tensor
    spread: Tensor

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, FEATURES),
        )  # fmt: skip
        self.head = nn.Linear(FEATURES, classes)
        self.register_buffer("centre", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))

    def features(self, x: Tensor) -> Tensor:
        """(n, 64) what the classes are read from."""
        out: Tensor = functional.relu(self.body(x))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """(n, classes) logits."""
        out: Tensor = self.head(self.features(x))
        return out

    @torch.no_grad()
    def features_of(self, x: Tensor) -> Tensor:
        """(n, 64) on the CPU, with the mean 0 and the variance 1 of training images; in chunks."""
        device = self.head.weight.device
        parts = [self.features(part.to(device)) for part in torch.split(x, CHUNK)]
        return torch.cat([((part - self.centre) / self.spread).cpu() for part in parts])

    @torch.no_grad()
    def accuracy(self, x: Tensor, label: Tensor) -> float:
        """Share of images (n, c, h, w) that are taken for their class (n,)."""
        device = self.head.weight.device
        found = [self(part.to(device)).argmax(1).cpu() for part in torch.split(x, CHUNK)]
        return float((torch.cat(found) == label).float().mean())


def trained_classifier(images: ImageSet, cache: Path, device: torch.device) -> Classifier:
    """The classifier of these training images: from the cache, or trained now and put there."""
    if images.labels is None or len(images.classes) < 2:
        raise InputError(f"{images.name}: has no classes to train a classifier of")
    file = cache / f"classifier-{fingerprint(images)}.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(int(RECIPE["seed"]))
        classifier = Classifier(images.shape[0], len(images.classes))
    if not _loaded(classifier, file):
        _train(classifier, images, device)
        weights = {k: v.cpu().contiguous() for k, v in classifier.state_dict().items()}
        with whole_file(file) as temporary:
            save_file(weights, temporary)
    return classifier.to(device).eval()


def fingerprint(images: ImageSet) -> str:
    """Of images, labels and recipe; the scale the model sees them at does not matter."""
    digest = hashlib.blake2b(json.dumps([RECIPE, images.shape, images.levels]).encode())
    for start in range(0, len(images), CHUNK):
        digest.update(np.ascontiguousarray(images.pixels[start : start + CHUNK]).tobytes())
    if images.labels is not None:
        digest.update(images.labels.tobytes())
    return digest.hexdigest()[:24]


def _loaded(classifier: Classifier, file: Path) -> bool:
    """Whether the cache had it; a damaged file counts as none."""
    try:
        classifier.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError):
        return False
    return True


def _train(classifier: Classifier, images: ImageSet, device: torch.device) -> None:
    batch, labels = int(RECIPE["batch"]), torch.as_tensor(images.labels)
    epoch = max(1, len(images) // batch)
    steps = max(int(RECIPE["least_steps"]), int(RECIPE["epochs"]) * epoch)
    classifier.to(device).train()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=float(RECIPE["lr"]))
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng = np.random.default_rng(int(RECIPE["seed"]))
    order = np.empty(0, np.int64)
    with progress(steps, "train the classifier of the measures") as reporter:
        for _ in range(steps):
            if len(order) < batch:
                order = np.concatenate([order, rng.permutation(len(images))])
            rows, order = order[:batch], order[batch:]
            x = (images.x0(rows) / images.scale).to(device)
            loss = functional.cross_entropy(classifier(x), labels[rows].to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rate.step()
            reporter.advance()
    rows = np.sort(rng.permutation(len(images))[:4096])
    features = classifier.features_of(images.x0(rows) / images.scale).to(device)
    classifier.centre.copy_(features.mean(0))
    # A feature that never stirs stays 0.
    deviation = features.std(0)
    classifier.spread.copy_(torch.where(deviation > 1e-6, deviation, 1))
