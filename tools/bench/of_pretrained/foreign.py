"""Small models trained here by Diffusers alone, on images of two kinds; kept as its own folders."""

import importlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_vision.data.images import ImageSet, load_split
from suite import WORK, Tick

VISION = Path("../shared/data/vision")
# Processor seconds of each training, on one core.
SECONDS, SECONDS_QUICK = 180.0, 4.0
BATCH, RATE = 64, 1e-3
# Images in quick mode.
FEW = 600
_PATCH = 16


@dataclass(frozen=True)
class Model:
    """How one is trained.

    Attributes:
        name: Of its folder.
        title: In words.
        data: "fashion" or "patches".
        flow: Flow matching between data and noise; else DDPM's epsilon under its linear betas.
    """

    name: str
    title: str
    data: str
    flow: bool


def library() -> Any:
    """Diffusers, which says little of its types."""
    return importlib.import_module("diffusers")


def images(data: str, quick: bool) -> tuple[ImageSet, ImageSet]:
    """Training and held-out images with classes: clothes, or patches and the photograph of each."""
    few = FEW if quick else None
    if data == "fashion":
        return load_split(_there("fashion-mnist"), size=14, limit=few)
    return load_split(_patches(), limit=few, held_out=0.2)


def trained(model: Model, train: ImageSet, quick: bool, tick: Tick) -> tuple[nn.Module, Any]:
    """The network's average and its scheduler, trained if they are not there yet."""
    diffusers = library()
    folder = WORK / f"pretrained-{model.name}{'-quick' if quick else ''}"
    kind = diffusers.FlowMatchEulerDiscreteScheduler if model.flow else diffusers.DDPMScheduler
    if not (folder / "scheduler").exists():
        scheduler = kind()
        network = _train(model, scheduler, train, SECONDS_QUICK if quick else SECONDS, tick)
        network.save_pretrained(folder / "unet")
        # Last, as what says that the folder is whole.
        scheduler.save_pretrained(folder / "scheduler")
    network = diffusers.UNet2DModel.from_pretrained(folder / "unet")
    return network.eval(), kind.from_pretrained(folder / "scheduler")


def network_of(shape: tuple[int, int, int]) -> Any:
    """Diffusers' U-Net at two resolutions, with attention at the lower one."""
    channels, size, _ = shape
    return library().UNet2DModel(
        sample_size=size, in_channels=channels, out_channels=channels, layers_per_block=1,
        block_out_channels=(16, 32), norm_num_groups=8, attention_head_dim=16,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def _train(model: Model, scheduler: Any, train: ImageSet, seconds: float, tick: Tick) -> Any:
    """Adam with a rate that falls to 0 over the processor's time, and the weights' average."""
    torch.manual_seed(0)
    network = network_of(train.shape)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    average = importlib.import_module("diffusers.training_utils").EMAModel(
        network.parameters(), decay=0.998
    )
    rng = np.random.default_rng(0)
    began, step, share = time.process_time(), 0, 0.0
    while share < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 100) * min(1.0, 2 * (1 - share) + 0.02)
        loss = _loss(model, network, scheduler, train.x0(rng.integers(len(train), size=BATCH)))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        average.step(network.parameters())
        step += 1
        share = (time.process_time() - began) / seconds
        if step % 20 == 0:
            tick(f"train {model.name}: step {step}, {share:.0%}, loss {float(loss.detach()):.3f}")
    average.copy_to(network.parameters())
    return network


def _loss(model: Model, network: Any, scheduler: Any, x0: Tensor) -> Tensor:
    noise = torch.randn_like(x0)
    if model.flow:
        s = torch.rand(len(x0))
        share = s.reshape(-1, 1, 1, 1)
        out = network(torch.lerp(x0, noise, share), 1000 * s).sample
        return functional.mse_loss(out, noise - x0)
    step = torch.randint(0, scheduler.config.num_train_timesteps, (len(x0),))
    out = network(scheduler.add_noise(x0, noise, step), step).sample
    return functional.mse_loss(out, noise)


def _there(name: str) -> Path:
    if not (VISION / name).exists():
        raise InputError(f"{VISION / name}: not there; this benchmark needs it")
    return VISION / name


def _patches() -> Path:
    """Photographs at half their size, in squares, each with its photograph as its class."""
    file = WORK / "pretrained-patches.npz"
    if not file.exists():
        parts = [_squares(path) for path in sorted(_there("kodak").glob("*.png"))]
        labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, images=np.concatenate(parts), labels=labels)
    return file


def _squares(path: Path) -> NDArray[np.uint8]:
    """(n, size, size, 3) of a photograph."""
    with Image.open(path) as picture:
        half = picture.convert("RGB").reduce(2)
    values = np.asarray(half)
    rows, columns = values.shape[0] // _PATCH, values.shape[1] // _PATCH
    tiles = values[: rows * _PATCH, : columns * _PATCH]
    tiles = tiles.reshape(rows, _PATCH, columns, _PATCH, 3).swapaxes(1, 2)
    return tiles.reshape(-1, _PATCH, _PATCH, 3)
