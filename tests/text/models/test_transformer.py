"""The transformer: sizes as published, positions relative, blocks that start as nothing."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_text.models.config import TrunkConfig, preset
from infonoise_text.models.transformer import BitTransformer
from infonoise_text.models.trunk import Trunk, rotary_table, rotate

SMALL = TrunkConfig(width=24, blocks=2, heads=3)


def size(bits: int, config: TrunkConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in BitTransformer(bits, config).parameters())


def scrambled(module: nn.Module) -> nn.Module:
    """Random weights everywhere, those that start at zero too."""
    rng = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3, generator=rng)
    return module.eval()


@pytest.mark.parametrize(
    ("name", "bits", "published"), [("cobit-s", 15, 133.5e6), ("cobit-m", 16, 462e6)]
)
def test_sizes_are_the_published_ones(name: str, bits: int, published: float) -> None:
    """Within 1.5 %: what stands beside the blocks is not told in the paper."""
    assert size(bits, preset(name)) == pytest.approx(published, rel=0.015)


def test_the_tiny_one_has_a_few_hundred_thousand_parameters() -> None:
    assert 2e5 < size(12, preset("tiny")) < 6e5


def test_modulation_for_each_block_alone_costs_a_third_of_all_parameters() -> None:
    alone = preset("cobit-s")
    saved = size(15, alone) - size(15, replace(alone, shared=True))
    assert saved / size(15, alone) == pytest.approx(1 / 3, abs=0.05)


def test_the_output_costs_bits_and_not_tokens() -> None:
    """From 15 to 20 bits, a vocabulary 32 times as large, the network grows by less than 0.1 %."""
    small, large = size(15, preset("cobit-s")), size(20, preset("cobit-s"))
    assert 0 < large - small < 1e-3 * small


def test_rotary_positions_are_relative() -> None:
    """The product of a query and a key depends on how far apart they stand and on nothing else."""
    rng = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 16, generator=rng)
    table = rotary_table(40, 16, torch.device("cpu"))
    turned_q, turned_k = (rotate(v.expand(40, 16), table) for v in (q, k))
    product = turned_q @ turned_k.T
    # Angles reach 40, so float32 leaves 40 * 2^-24 in each; the vectors have norms of about 4.
    for shift in (1, 7, 30):
        torch.testing.assert_close(
            product[shift:, shift:], product[:-shift, :-shift], atol=1e-4, rtol=0
        )
    assert (product[0] - product[0, 0]).abs().max() > 0.1
    assert torch.allclose(turned_q.norm(dim=1), q.norm(), atol=1e-4)
    assert torch.equal(turned_q[0], q[0])


def test_a_trunk_starts_as_the_identity_and_a_network_as_zero() -> None:
    torch.manual_seed(0)
    x, noise = torch.randn(2, 5, 24), torch.randn(2, 24)
    torch.testing.assert_close(Trunk(SMALL)(x, noise), functional.layer_norm(x, (24,)))
    network = BitTransformer(3, SMALL)
    bits = torch.randn(2, 5, 3)
    out = network(bits, bits, torch.ones(2, 5), torch.zeros(2))
    assert torch.equal(out, torch.zeros(2, 5, 3))


@torch.no_grad()
def test_a_trunk_with_convolutions_reads_its_neighbours_from_the_start() -> None:
    """As if every block were a plain residual one; the published form waits for its gates."""
    x, noise = torch.randn(1, 5, 24), torch.randn(1, 24)
    for reach, seen in ((2, True), (0, False)):
        torch.manual_seed(0)
        trunk = Trunk(replace(SMALL, reach=reach)).eval()
        for blocks in trunk.modulations:
            gates = blocks.bias.reshape(2, 3, 24)
            assert torch.equal(gates[:, 2], torch.full((2, 24), float(reach > 0)))
            assert not gates[:, :2].any()
            assert not blocks.weight.any()
        changed = x.clone()
        changed[:, 4] = torch.randn(24)
        moved = (trunk(x, noise) - trunk(changed, noise))[:, :4].abs().max()
        assert bool(moved > 1e-4) == seen


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_positions_see_all_others_or_only_earlier_ones(shared: bool, causal: bool) -> None:
    trunk = scrambled(Trunk(replace(SMALL, shared=shared, causal=causal)))
    torch.manual_seed(0)
    x, noise = torch.randn(1, 6, 24), torch.randn(1, 24)
    changed = x.clone()
    changed[0, 3] = torch.randn(24)
    differs = (trunk(x, noise) - trunk(changed, noise)).abs().amax(-1)[0] > 1e-6
    assert differs[3:].all()
    assert bool(differs[:3].any()) != causal


def test_order_matters() -> None:
    torch.manual_seed(0)
    trunk = scrambled(Trunk(SMALL))
    x, noise = torch.randn(1, 6, 24), torch.randn(1, 24)
    turned = trunk(x.flip(1), noise).flip(1)
    assert (turned - trunk(x, noise)).abs().max() > 1e-2


def test_every_level_of_noise_is_told_apart() -> None:
    network = scrambled(BitTransformer(3, SMALL))
    assert isinstance(network, BitTransformer)
    embedded = network.noise(torch.linspace(-6, 4.4, 40))
    assert torch.cdist(embedded, embedded).fill_diagonal_(1).min() > 1e-2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"width": 0}, "width 0"),
        ({"heads": 5}, "width 24 and 5 heads"),
        ({"heads": 8}, "width 24 and 8 heads"),
        ({"blocks": 0}, "blocks 0"),
        ({"dropout": 1.0}, "dropout 1"),
        ({"reach": -1}, "--reach -1: give 0 to 16"),
        ({"reach": 17}, "--reach 17: give 0 to 16"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(change: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        replace(SMALL, **change)


def test_an_unknown_size_is_refused_and_dropout_can_be_chosen() -> None:
    with pytest.raises(InputError, match=r"--network huge: .* tiny, small, cobit-s, cobit-m"):
        preset("huge")
    assert preset("cobit-s").dropout == 0.1
    assert preset("cobit-s", dropout=0.0).dropout == 0
