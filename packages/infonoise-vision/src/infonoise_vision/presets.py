"""Settings of published models and for small machines, as whole configurations of `train`.

EDM: Karras et al. 2022 (arXiv 2206.00364), table 7. As there: network, dropout, augmentation,
examples seen, batch, learning rate and its warm-up, averages. Different here: noise levels drawn
by --schedule, gradients clipped at a norm of 1 where theirs are not, AdamW's second moment over
0.99, and the average that counts steps in place of images.
"""

from pathlib import Path

import tyro

from infonoise_core.app.options import TrainOptions
from infonoise_core.config.presets import Presets
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_vision.methods.options import ImageOptions, Objective

# Only the user can say where a run goes, and where the published images lie.
_OUT: Path = tyro.MISSING
_DATA: str = tyro.MISSING


def laptop() -> TrainOptions:
    """Two cores, some minutes: small images, without labels."""
    return TrainOptions(
        out=_OUT,
        data="digits",
        options=ImageOptions(),
        train=TrainConfig(steps=4000, eval_every=400, save_every=400),
    )


def edm_cifar10() -> TrainOptions:
    """CIFAR-10, 55.7 million parameters: 200 million images in batches of 512."""
    objective = Objective(network="ddpmpp-cifar10", dropout=0.13, augment=0.12, noise_unit=1.0)
    return _edm(objective, images=200e6, batch=512, lr=1e-3, warmup=10e6, half_life=0.5e6)


def edm_cifar10_classes() -> TrainOptions:
    """The same, given each image's class; for guidance a tenth of the classes is withheld."""
    objective = Objective(
        network="ddpmpp-cifar10", dropout=0.13, augment=0.12, conditional=True, noise_unit=1.0
    )
    return _edm(objective, images=200e6, batch=512, lr=1e-3, warmup=10e6, half_life=0.5e6)


def edm_imagenet64() -> TrainOptions:
    """ImageNet at 64x64 with classes, 295.9 M parameters: 2500 million images, 4096 a step."""
    objective = Objective(
        network="adm-imagenet64", size=64, dropout=0.1, conditional=True, noise_unit=1.0
    )
    return _edm(objective, images=2500e6, batch=4096, lr=1e-4, warmup=10e6, half_life=50e6)


def _edm(
    objective: Objective, *, images: float, batch: int, lr: float, warmup: float, half_life: float
) -> TrainOptions:
    """EDM's settings, which count images, in steps."""
    return TrainOptions(
        out=_OUT,
        data=_DATA,
        options=ImageOptions(objective),
        engine=EngineConfig(precision="bf16"),
        train=TrainConfig(
            steps=round(images / batch),
            batch_size=batch,
            lr=lr,
            lr_warmup=round(warmup / batch),
            ema_half_life=half_life / batch,
            eval_every=10_000,
            save_every=10_000,
        ),
    )


TRAIN_PRESETS: Presets = {
    "laptop": laptop,
    "edm-cifar10": edm_cifar10,
    "edm-cifar10-classes": edm_cifar10_classes,
    "edm-imagenet64": edm_imagenet64,
}
