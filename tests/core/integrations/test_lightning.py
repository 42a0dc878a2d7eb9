"""Lightning: the callback counts optimizer steps and keeps the schedule in checkpoints."""

import pytest
import torch

lightning = pytest.importorskip("lightning")

# Of Lightning's own code against this torch.
pytestmark = pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")


def trainer(folder, **options):
    return lightning.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def loader(batches):
    return torch.utils.data.DataLoader(batches, batch_size=None)


def test_steps_are_optimizer_steps_and_survive_a_checkpoint(run, batches, denoiser, tmp_path):
    space = run("lightning", lightning=lightning)
    module = space["Diffusion"](denoiser)
    first = trainer(tmp_path, max_epochs=1, accumulate_grad_batches=2)
    first.fit(module, loader(batches))
    assert first.global_step == module.schedule.steps == len(batches) // 2
    assert module.schedule.status().startswith("adapting since step")
    first.save_checkpoint(tmp_path / "run.ckpt")

    again = space["Diffusion"](denoiser)
    second = trainer(tmp_path, max_epochs=2, accumulate_grad_batches=2)
    second.fit(again, loader(batches), ckpt_path=tmp_path / "run.ckpt")
    assert again.schedule.steps == len(batches) // 2
    assert second.global_step == len(batches)
    assert again.schedule.status().startswith("adapting since step")
