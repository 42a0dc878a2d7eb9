"""Networks: zero at the start, exact on the other strand, sizes that are refused."""

import pytest
import torch

from infonoise_bio.models.network import Network
from infonoise_bio.models.options import NetworkConfig, preset
from infonoise_core.errors import InputError

GROUPS, FLAGS, EMBEDDING, LENGTH = 2, 2, 16, 23
KINDS = ["cnn", "transformer", "coarse"]


def small(kind: str, **more) -> NetworkConfig:
    depth = 3 if kind == "coarse" else 2  # the third block is the one of attention
    return NetworkConfig(kind, width=16, depth=depth, heads=2, stretch=4, **more)


def moved(config: NetworkConfig, dtype: torch.dtype = torch.float64) -> Network:
    """A network as if trained: every parameter away from where it started."""
    torch.manual_seed(0)
    network = Network(config, LENGTH, GROUPS, FLAGS, EMBEDDING).to(dtype).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def inputs(dtype: torch.dtype = torch.float64, length: int = LENGTH):
    g = torch.Generator().manual_seed(1)
    features = torch.randn(5, 4 * GROUPS + FLAGS, length, generator=g, dtype=dtype)
    return features, torch.randn(5, EMBEDDING, generator=g, dtype=dtype)


def other_strand(features: torch.Tensor) -> torch.Tensor:
    """Written out: A with T, C with G in each group; the flags as they are; read backwards."""
    order = [3, 2, 1, 0, 7, 6, 5, 4, 8, 9]
    return features[:, order].flip(2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("equivariant", [False, True])
def test_residual_logits_are_zero_before_training(kind, equivariant):
    network = Network(small(kind, equivariant=equivariant), LENGTH, GROUPS, FLAGS, EMBEDDING)
    features, embedding = inputs(torch.float32)
    assert torch.equal(network(features, embedding), torch.zeros(5, 4, LENGTH))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positions", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_other_strand_gives_the_other_answer_to_the_last_bit(kind, positions, dtype):
    network = moved(small(kind, equivariant=True, positions=positions), dtype)
    features, embedding = inputs(dtype)
    forward = network(features, embedding)
    assert torch.equal(network(other_strand(features), embedding), forward.flip(1, 2))
    # And not because nothing arrives: the answer depends on the bases and differs by strand.
    assert float(forward.detach().std()) > 0.01
    assert not torch.equal(forward, forward.flip(1, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_a_strand_and_its_other_are_the_same(kind):
    network = moved(small(kind, equivariant=True))
    features, embedding = inputs()
    target = torch.randn(5, 4, LENGTH, dtype=torch.float64)
    found = []
    for turn in (False, True):
        network.zero_grad()
        x, y = (other_strand(features), target.flip(1, 2)) if turn else (features, target)
        (network(x, embedding) - y).square().sum().backward()
        found.append([p.grad.clone() for p in network.parameters()])
    for one, other in zip(*found, strict=True):
        # Sums over both strands in another order: a few roundings of float64 of the largest term.
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11 * float(one.abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_network_tells_the_strands_apart(kind):
    network = moved(small(kind))
    features, embedding = inputs()
    turned = network(other_strand(features), embedding).flip(1, 2)
    assert float((turned - network(features, embedding)).detach().abs().max()) > 0.01


def test_the_convolutions_reach_as_far_as_their_dilations_say():
    # The stem sees 4 to each side, two blocks of kernel 5 with dilations 1 and 4 see 2 and 8 more.
    config = NetworkConfig("cnn", width=16, depth=2, dilations=(1, 4), positions=False)
    torch.manual_seed(0)
    network = Network(config, 41, GROUPS, FLAGS, EMBEDDING).double()
    torch.nn.init.normal_(network.head.weight)
    features, embedding = inputs(length=41)
    before = network(features, embedding)
    features[:, :, 20] += 1
    changed = (network(features, embedding) != before).any(0).any(0).nonzero().flatten()
    assert (int(changed.min()), int(changed.max())) == (20 - 14, 20 + 14)


def test_coarse_attention_reaches_everywhere_and_is_the_transformer_at_a_stretch_of_one():
    network = moved(small("coarse", positions=False))
    features, embedding = inputs(length=61)
    before = network(features, embedding)
    features[:, :, 0] += 1
    changed = (network(features, embedding) != before).any(0).any(0)
    assert bool(changed.all())
    fine = NetworkConfig("coarse", width=16, depth=3, heads=2, stretch=1)
    block = moved(fine).blocks[2]
    torch.nn.init.dirac_(block.spread.weight)
    torch.nn.init.zeros_(block.spread.bias)
    h = torch.randn(5, 16, 9, dtype=torch.float64)
    torch.testing.assert_close(block(h, embedding), block.inner(h, embedding))


@pytest.mark.parametrize("kind", KINDS)
def test_positions_are_learned_only_where_asked(kind):
    """Without learned positions a constant sequence looks the same far from both ends."""
    config = small(kind, positions=False)
    assert Network(config, LENGTH, GROUPS, FLAGS, EMBEDDING).position is None
    shorter, embedding = inputs(length=LENGTH - 5)
    assert moved(small(kind))(shorter, embedding).shape == (5, 4, LENGTH - 5)
    longer, _ = inputs(length=LENGTH + 1)
    assert moved(config)(longer, embedding).shape == (5, 4, LENGTH + 1)
    with pytest.raises(InputError, match="learned positions"):
        moved(small(kind))(longer, embedding)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"kernel": 4},
        {"dilations": ()},
        {"dropout": 1.0},
        {"kind": "transformer", "width": 18, "heads": 4},
        {"kind": "coarse", "width": 18, "heads": 4},
        {"kind": "coarse", "causal": True},
        {"stretch": 0},
    ],
)
def test_sizes_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError):
        NetworkConfig(**wrong)


def test_presets_grow():
    sizes = [preset(size).width * preset(size).depth for size in ("laptop", "small", "medium")]
    assert sizes == sorted(sizes)
    assert preset("large", "transformer", equivariant=True).equivariant
    with pytest.raises(InputError, match="huge"):
        preset("huge")
