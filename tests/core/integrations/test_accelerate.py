"""Hugging Face Accelerate: accumulation, checkpoints."""

import pytest
import torch

accelerate = pytest.importorskip("accelerate")


@pytest.fixture
def accelerator():
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    yield accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)


def train(run, accelerator, batches, denoiser):
    network, optimizer = accelerator.prepare(denoiser, torch.optim.Adam(denoiser.parameters()))
    space = run(
        "accelerate",
        accelerator=accelerator,
        batches=batches,
        denoiser=network,
        optimizer=optimizer,
    )
    return space["schedule"]


def test_steps_are_optimizer_steps(run, accelerator, batches, denoiser):
    schedule = train(run, accelerator, batches, denoiser)
    assert len(schedule.reports) == len(batches)
    assert schedule.step_calls == len(batches) // 2


def test_schedule_is_saved_and_loaded_with_the_rest(run, accelerator, batches, denoiser, tmp_path):
    schedule = train(run, accelerator, batches, denoiser)
    accelerator.save_state(tmp_path)
    before = schedule.sample(64, generator=torch.Generator().manual_seed(1))
    status = schedule.status()
    assert status.startswith("adapting since step")

    # Another stretch of training moves the schedule; loading brings it back.
    for _ in range(4):
        schedule.observe(torch.full((64,), 1.0), torch.zeros(64, 64))
        schedule.step()
    assert schedule.status() != status
    accelerator.load_state(tmp_path)
    assert schedule.status() == status
    after = schedule.sample(64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(after, before, rtol=0, atol=0)
