"""Settings of published models and for small machines, as whole configurations of `train`."""

from pathlib import Path

import tyro

from infonoise_bio.data.options import PLANTED, Examples, Windowing
from infonoise_bio.methods.options import DnaOptions, Objective
from infonoise_core.app.options import TrainOptions
from infonoise_core.config.presets import Presets
from infonoise_core.training.config import EngineConfig, TrainConfig

# Only the user can say where a run goes.
_OUT: Path = tyro.MISSING
_LAPTOP = TrainConfig(steps=4000, batch_size=128, lr=2e-3, eval_every=400, save_every=400)


def laptop_promoters() -> TrainOptions:
    """Two cores, some minutes; sequences that have a direction and are aligned."""
    options = DnaOptions(Objective("forward"))
    return TrainOptions(out=_OUT, options=options, data=PLANTED, train=_LAPTOP)


def laptop_peaks() -> TrainOptions:
    """Two cores, some minutes; sequences that might as well be their reverse complement."""
    options = DnaOptions(Objective("both"))
    return TrainOptions(out=_OUT, options=options, data=PLANTED, train=_LAPTOP)


def dna_diffusion() -> TrainOptions:
    """DNA-Diffusion (DaSilva et al.): regulatory elements of 200 bases with their cell type.

    Source: github.com/pinellolab/DNA-Diffusion. As there: 200 bases, one-hot -1 and 1, unit weight,
    the class withheld from a tenth, 960 sequences a step of Adam at 1e-4, weights averaged with
    0.995, both strands never mixed. Different here: a dilated CNN in place of the two-dimensional
    U-Net (both about 80 million parameters), the posterior of independent bases inside the network,
    squared error in place of Huber's, noise levels drawn by --schedule in place of 50 fixed ones,
    and a number of steps in place of epochs: 110,000 are 2200 passes over 48,000 sequences.
    """
    return TrainOptions(
        out=_OUT,
        options=DnaOptions(
            Objective(
                "forward", size="large", cond_dropout=0.1, loss="squared-error", weight="unit"
            ),
            Examples(label="label", windowing=Windowing(window=200)),
        ),
        data=PLANTED,
        engine=EngineConfig(precision="bf16"),
        train=TrainConfig(
            steps=110_000,
            batch_size=960,
            lr=1e-4,
            lr_warmup=1000,
            ema_decay=0.995,
            eval_every=1000,
            save_every=1000,
        ),
    )


TRAIN_PRESETS: Presets = {
    "laptop-promoters": laptop_promoters,
    "laptop-peaks": laptop_peaks,
    "dna-diffusion": dna_diffusion,
}
