"""What the loop gets: sequences, their loss, what is hidden; and a short run that learns."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from infonoise_bio.alphabet import MASKED, base_frequencies, reverse_complement_codes
from infonoise_bio.data.batch import example_batch
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.bound import LikelihoodBound
from infonoise_bio.evaluation.held_out import DnaEvaluation
from infonoise_bio.examples import describe
from infonoise_bio.methods.diffusion import DnaTask, Hiding
from infonoise_bio.methods.options import LOSS_NAMES, Objective
from infonoise_bio.methods.recipe import conditions_of, encoding_of, schedule_context
from infonoise_bio.methods.registry import DIFFUSION
from infonoise_bio.models.options import ENCODING_NAMES
from infonoise_bio.synthetic import DEMO, demo_sequences
from infonoise_core.errors import InputError
from infonoise_core.schedules.law import Law, context_law
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.loop import train

LENGTH = 14


def sequences(n: int = 12, masked: float = 0.0, seed: int = 0) -> SequenceSet:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, LENGTH)).astype(np.uint8)
    codes[rng.random(codes.shape) < masked] = MASKED
    numbers = rng.normal(3, 2, (n, 1)).astype(np.float32)
    labels = np.arange(n) % 2
    ids = np.array([f"s{i}" for i in range(n)])
    split = np.zeros(n, np.uint8)
    return SequenceSet("made", codes, ids, split, labels, ("x", "y"), numbers, ("act",))


def moved(task: DnaTask) -> DnaTask:
    """A denoiser as if trained."""
    g = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in task.denoiser.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=g))
    task.denoiser.eval()
    return task


def levels(n: int, channels: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(7)
    return torch.rand(n, generator=g) + 0.3, torch.randn(n, channels, LENGTH, generator=g)


@pytest.mark.parametrize("name", ENCODING_NAMES)
@pytest.mark.parametrize("weight", ["unit", "edm"])
def test_losses_are_the_weighted_mean_square_and_the_observed_error_its_plain_sum(name, weight):
    objective = Objective("forward", encoding=name, scale=2.0, weight=weight, cond_dropout=0.0)
    task = moved(DIFFUSION.task(objective, sequences(), seed=0))
    batch = task.batch(np.array([3, 1, 3]))
    sigma, eps = levels(3, task.denoiser.encoding.channels)
    found = task.losses(task.denoiser, batch, sigma, eps)
    with torch.no_grad():
        x = batch.x0 + sigma[:, None, None] * eps
        error = (task.denoiser(x, sigma, **batch.condition) - batch.x0).square().sum((1, 2))
    std = encoding_of(objective).std
    by_hand = {"unit": torch.full((3,), std**-2), "edm": (sigma**2 + std**2) / (sigma * std) ** 2}
    torch.testing.assert_close(found.squared_error, error)
    torch.testing.assert_close(found.loss.detach(), by_hand[weight] * error / task.dim)
    assert not found.squared_error.requires_grad
    assert found.loss.requires_grad


@pytest.mark.parametrize("name", ENCODING_NAMES)
def test_cross_entropy_is_that_of_the_bases_and_the_observed_error_the_answer_s(name):
    """By hand from the denoiser's logits; bases that are given or masked count nothing."""
    objective = Objective("forward", encoding=name, loss="cross-entropy", cond_dropout=0.0)
    data = sequences(n=3, masked=0.2)
    task = moved(DIFFUSION.task(replace(objective, infill=1.0), data, seed=0))
    batch = task.batch(np.arange(3))
    sigma, eps = levels(3, task.denoiser.encoding.channels)
    torch.manual_seed(3)
    found = task.losses(task.denoiser, batch, sigma, eps)
    torch.manual_seed(3)
    condition = task._hidden(batch).condition
    x = batch.x0 + sigma[:, None, None] * eps
    with torch.no_grad():
        logs = task.denoiser.log_probs(x, sigma, **condition)
        error = (task.denoiser(x, sigma, **condition) - batch.x0).square().sum((1, 2))
    nats = [0.0] * 3
    for i, row in enumerate(data.codes):
        for j, base in enumerate(row):
            if base != MASKED and condition["given"][i, j] == MASKED:
                nats[i] -= float(logs[i, base, j])
    torch.testing.assert_close(found.loss.detach(), torch.tensor(nats) / LENGTH)
    torch.testing.assert_close(found.squared_error, error)
    assert not found.squared_error.requires_grad
    found.loss.mean().backward()
    assert any(float(p.grad.abs().sum()) > 0 for p in task.denoiser.parameters())


def test_an_untrained_network_costs_the_cross_entropy_of_independent_bases():
    """At high noise that is the entropy of the frequencies, ln 4 where they are equal."""
    data = sequences(n=4)
    task = DIFFUSION.task(Objective("forward", loss="cross-entropy"), data, seed=0)
    sigma = torch.full((4,), 1e4)
    loss = task.losses(task.denoiser, task.batch(np.arange(4)), sigma, levels(4, 4)[1]).loss
    counts = torch.bincount(torch.from_numpy(data.codes).long().flatten(), minlength=4)
    entropy = -(counts / counts.sum()).double() @ task.denoiser.log_prior
    assert float(loss.detach().mean()) == pytest.approx(float(entropy), abs=1e-3)


def test_a_new_run_learns_by_cross_entropy_and_an_old_one_keeps_its_loss():
    plain = Objective("forward")
    assert plain.settled(None).cross_entropy
    assert plain.settled({"weight": "unit"}).loss is None
    assert not plain.settled({"weight": "unit"}).cross_entropy
    assert plain.settled({"loss": "squared-error"}).loss == "squared-error"
    assert replace(plain, weight="edm").settled(None).loss == "squared-error"
    assert replace(plain, loss="squared-error").settled(None).loss == "squared-error"
    data = sequences()
    laws = {
        loss: make_schedule("infonoise", schedule_context(replace(plain, loss=loss), 100, data)).law
        for loss in LOSS_NAMES
    }
    assert laws == {"cross-entropy": context_law(), "squared-error": Law()}


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("strand", ["forward", "both"])
def test_masked_bases_contribute_exactly_nothing(strand, loss):
    """Whatever noise they get, whatever is put under them: the same loss to the last bit."""
    data = sequences(masked=0.3)
    task = moved(DIFFUSION.task(Objective(strand, infill=0.5, loss=loss), data, seed=0))
    index = np.arange(12)
    batch = task.batch(index)
    sigma, eps = levels(12, 4)
    # The noise of other strands is turned with them, so only a palindromic mask can be changed.
    mask = batch.condition["mask"]
    hidden = ~(mask | mask.flip(1)) if strand == "both" else ~mask
    assert bool(hidden.any())
    torch.manual_seed(0)
    one = task.losses(task.denoiser, batch, sigma, eps)
    torch.manual_seed(0)
    two = task.losses(task.denoiser, batch, sigma, torch.where(hidden[:, None], 9.0, eps))
    assert torch.equal(one.loss, two.loss)
    assert torch.equal(one.squared_error, two.squared_error)
    one.loss.sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in task.denoiser.parameters())


def test_only_unmasked_bases_are_summed():
    data = sequences(masked=0.3)
    task = moved(DIFFUSION.task(Objective("forward", cond_dropout=0.0), data, seed=0))
    batch = task.batch(np.arange(12))
    sigma, eps = levels(12, 4)
    with torch.no_grad():
        x = batch.x0 + sigma[:, None, None] * eps
        error = (task.denoiser(x, sigma, **batch.condition) - batch.x0).square()
    expected = (error * batch.condition["mask"][:, None]).sum((1, 2))
    found = task.losses(task.denoiser, batch, sigma, eps).squared_error
    torch.testing.assert_close(found, expected)


def test_both_strands_are_trained_on_about_equally_and_forward_is_left_alone():
    data = sequences(n=400, masked=0.1)
    batch = example_batch(data, np.arange(400), encoding_of(Objective("both")))
    seen: list[Tensor] = []

    class Look(torch.nn.Module):
        def forward(self, x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
            # Without noise x is x0.
            seen.append(encoding.decode(x, condition["mask"]))
            return x

    for strand, share in (("both", 0.5), ("forward", 0.0)):
        task = DIFFUSION.task(Objective(strand), data, seed=0)
        encoding = task.denoiser.encoding
        torch.manual_seed(1)
        task.losses(Look(), batch, torch.zeros(400), torch.zeros_like(batch.x0))
        codes = seen.pop().numpy()
        kept = (codes == data.codes).all(1)
        turned = (codes == reverse_complement_codes(data.codes)).all(1)
        assert bool((kept ^ turned).all())
        # Five standard deviations of a fair coin: 0.125.
        assert abs(float(turned.mean()) - share) <= 0.125 * (share > 0)


def test_conditions_are_dropped_each_by_itself_at_the_stated_share():
    data = sequences(n=2000)
    task = DIFFUSION.task(Objective("forward", cond_dropout=0.2), data, seed=0)
    seen = {}

    def look(x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        seen.update(condition)
        return x

    batch = task.batch(np.arange(2000))
    torch.manual_seed(0)
    task.losses(look, batch, torch.ones(2000), torch.zeros_like(batch.x0))
    no_label, no_number = seen["label"] == 2, seen["activity"].isnan()[:, 0]
    assert torch.equal(seen["label"][~no_label], batch.condition["label"][~no_label])
    for found, share in ((no_label, 0.2), (no_number, 0.2), (no_label & no_number, 0.04)):
        spread = 5 * math.sqrt(share * (1 - share) / 2000)
        assert abs(float(found.float().mean()) - share) < spread


def test_given_bases_are_one_stretch_or_all_but_one():
    task = DIFFUSION.task(Objective("forward", infill=0.5), sequences(n=1000), seed=0)
    seen = {}

    def look(x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        seen.update(condition)
        return x

    batch = task.batch(np.arange(1000))
    torch.manual_seed(0)
    task.losses(look, batch, torch.ones(1000), torch.zeros_like(batch.x0))
    given = seen["given"]
    known = given != MASKED
    codes = torch.from_numpy(task.sequences.codes)
    assert torch.equal(given[known], codes[known])
    changes = (known[:, 1:] != known[:, :-1]).sum(1)
    assert int(changes.max()) == 2
    some = known.any(1)
    # Half of the rows, but for stretches without a base or with all of them (below 1 in 14 each).
    assert 0.35 < float(some.float().mean()) < 0.58


def test_hiding_is_drawn_from_the_global_generator_alone():
    task = moved(DIFFUSION.task(Objective("both", infill=0.5), sequences(), seed=0))
    batch, (sigma, eps) = task.batch(np.arange(12)), levels(12, 4)
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(task.losses(task.denoiser, batch, sigma, eps).squared_error)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


# Two correlated bits have a profile that is sampled, which takes seconds.
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n == "bits" else []) for n in ENCODING_NAMES],
)
def test_the_setting_holds_the_profile_of_independent_bases_with_measured_composition(name):
    data = demo_sequences(500).part("train")
    objective = Objective("forward", encoding=name)
    setting = schedule_context(objective, 100, data)
    p = base_frequencies(data.codes, both_strands=False)
    entropy = 60 * float(-(p * p.log()).sum())
    # The integral over 0.002 .. 80; what is beyond 80 is below 60 * 4 / (2 * 80^2) nats.
    slack = 0.04 + 4 * setting.symbols.entropy_stderr()
    assert setting.symbols.entropy() == pytest.approx(entropy, abs=slack, rel=2e-3)
    assert setting.dim == 60 * encoding_of(objective).channels


def test_frequencies_of_both_strands_are_symmetric():
    codes = np.array([[0, 0, 0, 1, 4]], np.uint8)
    forward, both = (
        base_frequencies(codes, both_strands=False),
        base_frequencies(codes, both_strands=True),
    )
    assert (8 * forward).tolist() == [4, 2, 1, 1]
    assert (16 * both).tolist() == [5, 3, 3, 5]


def test_conditions_and_description_of_the_data():
    data = sequences()
    found = conditions_of(data)
    assert (found.classes, found.activities) == (("x", "y"), ("act",))
    assert found.mean[0] == pytest.approx(float(data.numbers.mean()), rel=1e-6)
    told = describe(data)
    assert (told["length"], told["train"], told["classes"]) == (LENGTH, 12, ["x", "y"])


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"strand": "up"}, "--strand"),
        ({"strand": "forward", "equivariant": True}, "--equivariant"),
        ({"strand": "both", "sigma_min": 0.0}, "--sigma-min"),
        ({"strand": "both", "cond_dropout": 1.5}, "--cond-dropout"),
        ({"strand": "both", "infill": -0.1}, "--infill"),
        ({"strand": "both", "weight": "none"}, "--weight"),
        ({"strand": "both", "loss": "none"}, "--loss none"),
        ({"strand": "both", "loss": "cross-entropy", "weight": "edm"}, "--weight edm"),
        ({"strand": "both", "encoding": "none"}, "--encoding"),
        ({"strand": "both", "scale": 0.0}, "--scale"),
        ({"strand": "both", "network": "rnn"}, "network rnn"),
        ({"strand": "both", "size": "huge"}, "huge"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, word):
    with pytest.raises(InputError, match=word):
        Objective(**wrong)


def test_hiding_defaults_match_the_objective():
    assert Hiding() == Hiding(Objective("both").cond_dropout, Objective("both").infill)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scale"), [("one-hot", 1.0), ("bits", 10.0)])
def test_a_short_run_gets_below_independent_bases_and_not_below_the_entropy(tmp_path, name, scale):
    data = demo_sequences(1000)
    objective = Objective("forward", encoding=name, scale=scale)
    training, held_out = data.part("train"), data.part("test")
    evaluation = DnaEvaluation(training, held_out, encoding_of(objective), "forward", 0.002, 80.0)
    assert isinstance(evaluation.bound, LikelihoodBound)
    task = DIFFUSION.task(objective, training, seed=0)
    start = evaluation(task.denoiser)
    assert start["bits_per_base"] == pytest.approx(evaluation.independent, abs=1e-5)
    schedule = make_schedule("infonoise", schedule_context(objective, 80, training))
    config = TrainConfig(steps=80, batch_size=64, eval_every=80, lr_warmup=10)
    end = train(task, schedule, config, tmp_path, evaluate=evaluation).evaluations[-1]
    entropy = np.mean([s.entropy() for s in DEMO.values()]) / 60 / math.log(2)
    assert end["bits_per_base"] < evaluation.independent - 5 * end["bits_per_base_stderr"]
    assert end["bits_per_base"] > entropy - 4 * end["bits_per_base_stderr"]
