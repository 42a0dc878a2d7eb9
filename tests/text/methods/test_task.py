"""What the loop gets: windows, their losses, first passes, given tokens, and a profile that no text
exceeds. Short runs learn, go on as if nothing had happened, and see no held-out text.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.weighting import edm_weight
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.schedules.registry import ScheduleContext, make_schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_core.training.task import Batch
from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.data.corpus import Corpus, Split, SplitCounts
from infonoise_text.data.documents import Documents
from infonoise_text.data.prepare import prepare
from infonoise_text.evaluation.bound import LikelihoodBound, SecondPass, TextEvaluation
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.bits import Bits
from infonoise_text.methods.options import Objective
from infonoise_text.methods.prior import bit_profile
from infonoise_text.methods.task import TextTask, weighting
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import make_denoiser

from ..markov import MarkovDenoiser, MarkovSource

L = 6
SIZES = TrunkConfig(width=24, blocks=2, heads=2)
# Each bit alone is fair; what follows what is nearly certain.
CHAIN = MarkovSource(torch.full((4, 4), 0.025) + 0.9 * torch.eye(4).roll(1, 1))
BOOK = CodeBook(torch.tensor([5, 0, 6, 3, 1]), 3, 0, "some")


def split_of(ids: Tensor, name: str = "train") -> Split:
    flat = ids.flatten().numpy().astype(np.uint16)
    return Split(name, flat, SplitCounts(1, len(flat), len(flat), ""))


def text(windows: int, seed: int = 0, length: int = L) -> Split:
    return split_of(CHAIN.sample(1, windows * length, torch.Generator().manual_seed(seed)))


def plain(**change: Any) -> Objective:
    return Objective(**{"length": L, "infill": 0.0, "self_cond": 0.0, **change})


def batch_of(task: TextTask, n: int) -> Batch:
    return task.batch(np.arange(n)).to(torch.device("cpu"))


class Spy(nn.Module):
    """Log-odds of 0.3 everywhere, given or not; notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []

    def forward(self, x: Tensor, sigma: Tensor, logits: bool = False, **condition: Any) -> Tensor:
        self.asked.append({"x": x, "sigma": sigma, "grad": torch.is_grad_enabled(), **condition})
        out = torch.full_like(x, 0.3)
        return out if logits else out.sigmoid()


# Examples


@pytest.mark.parametrize("stride", [1, 4, L, 9])
def test_windows_come_by_their_index_and_as_bits_on_the_device(stride: int) -> None:
    ids = torch.randint(0, 5, (50,))
    task = TextTask(split_of(ids), BOOK, nn.Identity(), plain(), stride)
    assert len(task) == len(range(0, 50 - L + 1, stride))
    assert task.dim == L * 3
    index = np.array([len(task) - 1, 0, 2])
    batch = task.batch(index)
    expected = torch.stack([ids[i * stride : i * stride + L] for i in index])
    # What moves to the device is one number a token.
    assert torch.equal(batch.x0.long(), expected)
    moved = batch.to(torch.device("cpu"))
    assert torch.equal(moved.x0, BOOK.encode(expected).float())
    assert moved.x0.dtype == torch.float32


def test_a_small_corpus_is_met_in_every_phase() -> None:
    assert TextTask(split_of(torch.zeros(50)), BOOK, nn.Identity(), plain()).windows.stride == 1
    with pytest.raises(InputError, match="the train split has 5 tokens, fewer than one window"):
        TextTask(split_of(torch.zeros(5)), BOOK, nn.Identity(), plain())


# Losses


@pytest.mark.parametrize("loss", ["edm", "bce"])
def test_losses_are_means_over_bits_and_the_observed_error_a_plain_sum(loss: str) -> None:
    task = TextTask(text(3), BOOK, nn.Identity(), plain(loss=loss), stride=L)
    batch, denoiser = batch_of(task, 3), Spy()
    sigma = torch.tensor([0.1, 1.0, 10.0])
    eps = torch.randn(batch.x0.shape, generator=torch.Generator().manual_seed(0))
    found = task.losses(denoiser, batch, sigma, eps)
    assert torch.equal(denoiser.asked[0]["x"], batch.x0 + sigma[:, None, None] * eps)
    p = 1 / (1 + math.exp(-0.3))
    for i, s in enumerate(sigma.tolist()):
        ones = float(batch.x0[i].sum())
        error = ones * (1 - p) ** 2 + (18 - ones) * p**2
        assert float(found.squared_error[i]) == pytest.approx(error, rel=1e-5)
        entropy = -ones * math.log(p) - (18 - ones) * math.log(1 - p)
        weighted = (s**2 + 0.25) / (0.5 * s) ** 2 * error
        expected = (weighted if loss == "edm" else entropy) / 18
        assert float(found.loss[i]) == pytest.approx(expected, rel=1e-5)
    assert not found.squared_error.requires_grad


@pytest.mark.parametrize("loss", ["edm", "bce"])
def test_given_tokens_take_no_part(loss: str) -> None:
    """Not in the loss and not in what is observed; the spy is wrong about them too."""
    task = TextTask(text(40), BOOK, nn.Identity(), plain(loss=loss, infill=1.0), stride=L)
    batch, denoiser, sigma = batch_of(task, 40), Spy(), torch.full((40,), 0.5)
    torch.manual_seed(0)
    found = task.losses(denoiser, batch, sigma, torch.zeros_like(batch.x0))
    known = denoiser.asked[0]["known"]
    assert known.any()
    assert torch.equal(denoiser.asked[0]["clean"], batch.x0)
    p = torch.tensor(0.3).sigmoid()
    error = ((p - batch.x0).square() * ~known[..., None]).flatten(1).sum(1)
    torch.testing.assert_close(found.squared_error, error)
    scale = 8.0 if loss == "edm" else None
    if scale is not None:
        torch.testing.assert_close(found.loss, scale * error / 18)
    else:
        nats = -torch.where(batch.x0 > 0, p.log(), (1 - p).log()) * ~known[..., None]
        torch.testing.assert_close(found.loss, nats.flatten(1).sum(1) / 18)


@pytest.mark.parametrize(("share", "rows"), [(0.0, 0), (0.5, 4), (1.0, 8)])
def test_the_first_pass_sees_its_share_alone_and_leaves_no_gradient(
    share: float, rows: int
) -> None:
    task = TextTask(text(8), BOOK, nn.Identity(), plain(self_cond=share), stride=L)
    batch, denoiser = batch_of(task, 8), Spy()
    sigma = torch.linspace(0.1, 5, 8)
    torch.manual_seed(0)
    task.losses(denoiser, batch, sigma, torch.randn(batch.x0.shape))
    *first, second = denoiser.asked
    assert len(first) == (rows > 0)
    assert second["grad"]
    informed = (second["previous"] != 0.5).flatten(1).any(1)
    assert int(informed.sum()) == rows
    if first:
        assert not first[0]["grad"]
        assert "previous" not in first[0]
        # Each level with its own example, and the belief put back where it came from.
        which = [sigma.tolist().index(s) for s in first[0]["sigma"].tolist()]
        assert sorted(which) == informed.nonzero().flatten().tolist()
        assert torch.equal(first[0]["x"], second["x"][which])
        assert torch.equal(first[0]["known"], second["known"][which])
    assert torch.equal(second["previous"][informed], torch.full((rows, L, 3), 0.3).sigmoid())


def test_a_share_of_few_examples_is_right_on_average() -> None:
    task = TextTask(text(3), BOOK, nn.Identity(), plain(self_cond=0.5), stride=L)
    batch, denoiser = batch_of(task, 3), Spy()
    torch.manual_seed(0)
    for _ in range(400):
        task.losses(denoiser, batch, torch.ones(3), batch.x0)
    counts = [len(call["x"]) for call in denoiser.asked if not call["grad"]]
    assert set(counts) == {1, 2}
    # One and a half on average, within 5 standard errors.
    assert abs(np.mean(counts) - 1.5) < 5 * 0.5 / math.sqrt(400)


@pytest.mark.parametrize("n", [1, 2])
def test_every_step_calls_the_network_equally_often(n: int) -> None:
    """Whatever is drawn: processes draw differently, and where weights are split over them each
    call is a meeting of all. A first pass that nobody was chosen for tells nobody anything."""
    task = TextTask(text(n), BOOK, nn.Identity(), plain(self_cond=0.3), stride=L)
    batch, informed = batch_of(task, n), []
    for seed in range(40):
        torch.manual_seed(seed)
        denoiser = Spy()
        task.losses(denoiser, batch, torch.ones(n), batch.x0)
        assert [call["grad"] for call in denoiser.asked] == [False, True]
        told = (denoiser.asked[1]["previous"] != 0.5).flatten(1).any(1)
        informed.append(int(told.sum()))
    assert min(informed) == 0
    # 0.3 of the examples, within 5 standard errors of a number between two neighbours.
    assert abs(np.mean(informed) - 0.3 * n) < 5 * 0.5 / math.sqrt(40)


def test_every_parameter_learns() -> None:
    """No input is always zero: the belief and the flag of known tokens are used too."""
    objective = Objective(length=L, infill=0.5)
    task = TextTask(text(100), BOOK, make_denoiser(3, SIZES, 0), objective)
    optimizer = torch.optim.Adam(task.denoiser.parameters(), 1e-2)
    torch.manual_seed(0)
    for _ in range(4):
        batch = task.batch(np.arange(32)).to(torch.device("cpu"))
        sigma = torch.rand(32) + 0.2
        optimizer.zero_grad()
        task.losses(task.denoiser, batch, sigma, torch.randn(batch.x0.shape)).loss.mean().backward()
        optimizer.step()
    for name, parameter in task.denoiser.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad.abs() > 0).any(), name
    patch = task.denoiser.get_parameter("network.patch.weight").grad
    assert patch is not None
    assert (patch.abs().sum(0) > 0).all()


# What schedules are made for


@pytest.fixture(scope="module")
def corpus(topics, tokenizer, tmp_path_factory) -> Corpus:
    out = tmp_path_factory.mktemp("task") / "corpus"
    documents = Documents.of("topics", topics)
    return prepare(documents, out, tokenizer=tokenizer, semantic=True)


@pytest.mark.parametrize("codes", ["binary", "semantic"])
def test_an_objective_makes_setting_and_task_of_a_corpus(corpus: Corpus, codes: str) -> None:
    objective = Objective(length=16, codes=codes, sigma_min=0.02, sigma_max=40.0, loss="edm")
    method, train = Bits(objective, Assets.of(corpus, objective)), corpus.split("train")
    setting = method.schedule_context(train, 100)
    assert (setting.channel.sigma_min, setting.channel.sigma_max) == (0.02, 40.0)
    assert (setting.steps, setting.dim) == (100, 16 * 9)
    sigma = torch.tensor([0.1, 1.0])
    assert torch.equal(setting.weight(sigma), edm_weight(0.5)(sigma))
    assert setting.symbols is not None
    assert 16 * 5 * math.log(2) < setting.symbols.entropy() < 16 * 9 * math.log(2)
    task = method.task(train, method.network(0))
    assert (task.dim, task.length) == (16 * 9, 16)
    x0 = batch_of(task, 3).x0
    found = corpus.codes(codes).decode(x0)
    assert torch.equal(found.ids.int(), torch.from_numpy(train.window([0, 1, 2], 16)))


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"length": 0}, "--length 0"),
        ({"sigma_min": 80.0}, "--sigma-min 80 and --sigma-max 80"),
        ({"sigma_min": 0.0}, "--sigma-min 0"),
        ({"sigma_max": math.inf}, "--sigma-max inf"),
        ({"loss": "mse"}, "--loss mse: .* edm or bce"),
        ({"self_cond": 1.5}, "--self-cond 1.5"),
        ({"infill": -0.1}, "--infill -0.1"),
        ({"infill": math.nan}, "--infill nan"),
        ({"network": "huge"}, "--network huge"),
        ({"dropout": 1.0}, "dropout 1"),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(change: dict[str, Any], option: str) -> None:
    with pytest.raises(InputError, match=option):
        Objective(**change)


# Runs

ENGINE = TorchEngine("cpu")


def ready(
    updates: int, seed: int = 0, sizes: TrunkConfig = SIZES, **change: Any
) -> tuple[TextTask, Schedule]:
    book, objective = binary_codes(4), Objective(**{"length": L, **change})
    split = text(3000)
    task = TextTask(split, book, make_denoiser(2, sizes, seed), objective)
    channel = VarianceExploding(objective.sigma_min, objective.sigma_max)
    symbols = bit_profile(split, book, L, channel)
    setting = ScheduleContext(channel, weighting(objective), updates, task.dim, symbols)
    return task, make_schedule("infonoise", setting)


@pytest.mark.parametrize("loss", ["edm", "bce"])
def test_a_short_run_learns_what_bits_tell_of_each_other(loss: str, tmp_path: Path) -> None:
    """Its bound falls below what bits cost that know nothing of each other, frequencies and all,
    and stays above the entropy of the source: both beyond 4 standard errors of the bound."""
    task, schedule = ready(80, loss=loss, infill=0.0)
    config = TrainConfig(
        steps=80, batch_size=64, lr=1e-2, lr_warmup=10, eval_every=0, save_every=80
    )
    denoiser = train(task, schedule, config, tmp_path, engine=ENGINE).denoiser
    ids = CHAIN.sample(200, L, torch.Generator().manual_seed(9))
    found = LikelihoodBound(ids, binary_codes(4), 80.0)(denoiser)
    alone = bit_profile(text(3000), binary_codes(4), L, schedule.channel).entropy() / L
    assert found.nats < alone - 4 * found.stderr
    assert found.nats > CHAIN.entropy(L) / L - 4 * found.stderr


@pytest.mark.slow
def test_a_trained_bound_comes_within_a_tenth_of_the_truth_and_never_below(tmp_path: Path) -> None:
    """Of a first-order Markov source; asked twice, as sampling asks, it comes closer."""
    wide = TrunkConfig(width=48, blocks=2, heads=2)
    task, schedule = ready(1200, sizes=wide, infill=0.0)
    config = TrainConfig(
        steps=1200, batch_size=128, lr=4e-3, lr_warmup=20, lr_schedule="cosine", eval_every=0
    )
    denoiser = train(task, schedule, config, tmp_path, engine=ENGINE).denoiser
    ids = CHAIN.sample(1000, L, torch.Generator().manual_seed(9))
    bound, truth = LikelihoodBound(ids, binary_codes(4), 80.0), CHAIN.entropy(L) / L
    once, twice = bound(denoiser), bound(SecondPass(denoiser))
    exact = bound(MarkovDenoiser(CHAIN, binary_codes(4)))
    # On the same windows and noises, the exact denoiser's cost is the truth.
    assert abs(exact.nats - truth) < 4 * exact.stderr
    for found in (once, twice):
        assert found.nats > truth - 4 * found.stderr
        assert exact.nats < found.nats
    assert twice.nats < once.nats
    assert twice.nats < 1.1 * truth


def test_a_run_that_was_cut_short_ends_with_the_same_bits(tmp_path: Path) -> None:
    """First passes, spans, levels, noises and the profile: all are those of the run that was not,
    and no example is met twice or left out."""
    config = TrainConfig(
        steps=8, batch_size=16, lr_warmup=2, save_every=4, eval_every=6, log_every=2
    )

    def fail(denoiser: nn.Module) -> dict[str, float]:
        raise KeyboardInterrupt

    def fine(denoiser: nn.Module) -> dict[str, float]:
        return {"loss": 0.0}

    change = {"infill": 0.5, "dropout": 0.1}
    whole = train(*ready(8, **change), config, tmp_path / "a", engine=ENGINE, evaluate=fine)
    with pytest.raises(KeyboardInterrupt):
        train(*ready(8, **change), config, tmp_path / "b", engine=ENGINE, evaluate=fail)
    again = train(*ready(8, seed=5, **change), config, tmp_path / "b", engine=ENGINE, evaluate=fine)
    for name, value in whole.denoiser.state_dict().items():
        assert torch.equal(again.denoiser.state_dict()[name], value), name
    profiles = [(tmp_path / run / PROFILE_FILE).read_bytes() for run in "ab"]
    assert profiles[0] == profiles[1]


def test_held_out_text_never_enters_the_profile(tmp_path: Path) -> None:
    """A run that is evaluated on other text at every step measures the same profile."""
    config = TrainConfig(steps=6, batch_size=32, lr_warmup=2, save_every=6, eval_every=1)
    noise = split_of(torch.randint(0, 4, (40, L)), "valid")
    evaluation = TextEvaluation(noise, binary_codes(4), L, 80.0)
    train(*ready(6), config, tmp_path / "a", engine=ENGINE, evaluate=evaluation)
    train(*ready(6), config, tmp_path / "b", engine=ENGINE)
    found = [EntropyRateProfile.load(tmp_path / run / PROFILE_FILE) for run in "ab"]
    assert torch.equal(found[0].rate, found[1].rate)
    assert torch.equal(found[0].count, found[1].count)
    assert float(found[0].count.sum()) > 0
