"""Adapters by peft: nothing changes at first, they alone are trained, folded in they are gone."""

import copy

import pytest
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.processes.adapters import add_adapters, folded, write_adapters

peft = pytest.importorskip("peft")
RANK = 2


class Kernel(nn.Conv2d):
    """Whose weights are used without a call."""


class Network(nn.Module):
    """(n, 3, 6, 6) -> (n, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2, bias=False), nn.SiLU()
        )
        self.apart = nn.Conv2d(8, 8, 3, groups=8)
        self.kernel = Kernel(8, 8, 1)
        self.first, self.narrow, self.last = nn.Linear(8, 6), nn.Linear(6, RANK), nn.Linear(2, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.conv2d(self.convolutions(x), self.kernel.weight)
        out: Tensor = self.last(self.narrow(self.first(h.flatten(2).mean(2)).tanh()))
        return out


@pytest.fixture
def plain() -> Network:
    torch.manual_seed(0)
    return Network()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def adapted(plain) -> Network:
    """With values in every adapter."""
    network = copy.deepcopy(plain)
    add_adapters(network, RANK, seed=0)
    with torch.no_grad():
        for p in network.parameters():
            if p.requires_grad:
                p.normal_(generator=torch.Generator().manual_seed(p.numel()))
    return network


def test_the_answer_stays_and_only_wide_called_layers_get_one(plain, x):
    network = copy.deepcopy(plain)
    assert add_adapters(network, RANK, seed=0) == 3
    assert torch.equal(network(x), plain(x))
    trained = {name.rpartition(".lora_")[0] for name, p in network.named_parameters()
               if p.requires_grad}  # fmt: skip
    assert trained == {"convolutions.0", "convolutions.1", "first"}
    # rank x (what it reads + what it writes)
    sizes = [(27, 8), (72, 8), (8, 6)]
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == sum(
        RANK * (a + b) for a, b in sizes
    )


def test_the_same_seed_gives_the_same_and_leaves_the_generator(plain):
    before = torch.get_rng_state()
    states = []
    for seed in (0, 0, 1):
        network = copy.deepcopy(plain)
        add_adapters(network, RANK, seed)
        states.append(torch.cat([p.flatten() for p in network.parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_folded_in_it_answers_the_same_in_a_network_without(plain, adapted, x):
    assert not torch.allclose(adapted(x), plain(x), atol=0.1)
    plain.load_state_dict(folded(adapted.state_dict()))
    # Sums of up to 72 products in another order.
    torch.testing.assert_close(plain(x), adapted(x), rtol=1e-5, atol=1e-5)


def test_a_state_without_stays_as_it_is(plain):
    state = plain.state_dict()
    again = folded(state)
    assert list(again) == list(state)
    assert all(again[name] is state[name] for name in state)


def test_the_file_is_read_by_peft(plain, adapted, x, tmp_path):
    write_adapters(adapted.state_dict(), tmp_path / "adapters", "run")
    theirs = peft.PeftModel.from_pretrained(plain, tmp_path / "adapters")
    torch.testing.assert_close(theirs(x), adapted(x), rtol=0, atol=0)


def test_what_cannot_be_is_said(plain, tmp_path):
    with pytest.raises(InputError, match="--lora 500: the network has no layer that wide"):
        add_adapters(plain, 500, seed=0)
    with pytest.raises(InputError, match="run: was trained without --lora"):
        write_adapters(plain.state_dict(), tmp_path / "adapters", "run")
    assert not (tmp_path / "adapters").exists()
