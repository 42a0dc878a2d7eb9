"""Lightning: the callback counts optimizer steps and keeps the schedule in checkpoints."""

import pytest
import torch

lightning = pytest.importorskip("lightning")

# Of Lightning's own code against this torch.
pytestmark = pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")


def trainer(folder, **options):
    return lightning.Trainer(
        accelerator="cpu",
        accumulate_grad_batches=2,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        **options,
    )


def loader(batches):
    return torch.utils.data.DataLoader(batches, batch_size=None)


def test_steps_are_optimizer_steps_and_survive_a_checkpoint(run, batches, denoiser, tmp_path):
    space = run("lightning", lightning=lightning)
    module = space["Diffusion"](denoiser)
    first = trainer(tmp_path, max_epochs=1)
    first.fit(module, loader(batches))
    assert len(module.schedule.reports) == len(batches)
    assert first.global_step == module.schedule.step_calls == len(batches) // 2
    assert module.schedule.status().startswith("adapting since step")
    path = tmp_path / "run.ckpt"
    first.save_checkpoint(path)

    # To the end already: loads and stops.
    same = space["Diffusion"](denoiser)
    trainer(tmp_path, max_epochs=1).fit(same, loader(batches), ckpt_path=path, weights_only=True)
    assert same.schedule.loads == 1
    assert same.schedule.status() == module.schedule.status()
    draws = [
        schedule.sample(64, generator=torch.Generator().manual_seed(1))
        for schedule in (module.schedule, same.schedule)
    ]
    torch.testing.assert_close(*draws, rtol=0, atol=0)

    longer = space["Diffusion"](denoiser)
    second = trainer(tmp_path, max_epochs=2)
    second.fit(longer, loader(batches), ckpt_path=path, weights_only=True)
    assert second.global_step == len(batches)
    assert longer.schedule.step_calls == len(batches) // 2
