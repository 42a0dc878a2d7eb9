"""The U-Net: shapes, its start at zero, what reaches what, and its parts against plain formulas."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from infonoise_core.errors import InputError
from infonoise_vision.models.blocks import (
    ResidualBlock,
    SelfAttention,
    enlarge,
    group_norm,
    halve,
    level_sides,
)
from infonoise_vision.models.unet import UNet, preset

SMALL = {"width": 8, "multipliers": (1, 2), "attention": (4,)}


def network(seed: int = 0, shape: tuple[int, int, int] = (1, 8, 8), **sizes) -> UNet:
    torch.manual_seed(seed)
    return UNet(shape, **{**SMALL, **sizes})


def awake(net: UNet) -> UNet:
    """Give the last convolution weights, so that the output depends on its inputs."""
    with torch.no_grad():
        net.out.weight.normal_()
    return net


def batch(n: int, shape: tuple[int, int, int], seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, *shape, generator=generator), torch.randn(n, generator=generator)


@pytest.mark.parametrize(
    ("shape", "multipliers"),
    [
        ((1, 8, 8), (1,)),
        ((1, 8, 8), (1, 2)),
        ((3, 7, 7), (1, 2, 2)),
        ((1, 14, 14), (1, 1, 2)),
        ((1, 28, 28), (1, 1, 1, 1)),
        ((3, 9, 5), (1, 2)),
        ((2, 1, 13), (1, 1, 1)),
        ((1, 1, 1), (1, 1)),
    ],
)
@pytest.mark.parametrize("blocks", [1, 2])
def test_the_output_has_the_shape_of_the_input_and_starts_at_zero(shape, multipliers, blocks):
    attention = level_sides(shape, len(multipliers))[-1:]
    net = network(shape=shape, multipliers=multipliers, blocks=blocks, attention=attention)
    x, c_noise = batch(2, shape)
    assert torch.equal(net(x, c_noise), torch.zeros_like(x))
    out = awake(net)(x, c_noise)
    assert out.shape == x.shape
    assert out.is_contiguous()
    assert out.isfinite().all()
    assert out.abs().max() > 0


@pytest.mark.parametrize("sizes", [{"classes": 3}, {"dropout": 0.1, "blocks": 2}])
def test_after_one_step_the_gradient_reaches_every_parameter(sizes):
    net = network(**sizes)
    x, c_noise = batch(4, net.shape)
    labels = torch.arange(4) if net.classes else None  # all classes, the null class last
    step = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        step.zero_grad()
        (net(x, c_noise, labels) - x).square().mean().backward()
        step.step()
    silent = [k for k, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    if net.classes:
        assert net.embedding.label.weight.grad.any(dim=1).all()


def test_noise_level_and_label_change_the_output():
    net = awake(network(classes=3))
    x, c_noise = batch(2, net.shape)
    base = net(x, c_noise, torch.tensor([0, 1]))
    assert not torch.allclose(base, net(x, c_noise + 0.1, torch.tensor([0, 1])))
    other = net(x, c_noise, torch.tensor([0, 2]))
    # Each example answers to its own label alone; 1e-5 is float32 rounding of outputs near 1.
    torch.testing.assert_close(base[0], other[0], rtol=0, atol=1e-5)
    assert (base[1] - other[1]).abs().max() > 1e-3


def test_no_labels_means_the_null_class():
    net = awake(network(classes=3))
    x, c_noise = batch(2, net.shape)
    assert torch.equal(net(x, c_noise), net(x, c_noise, torch.tensor([3, 3])))


def test_labels_for_a_network_without_classes_are_refused():
    net = network()
    with pytest.raises(InputError, match="classes=N"):
        net(*batch(2, net.shape), torch.tensor([0, 1]))


def test_one_example_does_not_see_the_others():
    net = awake(network())
    x, c_noise = batch(5, net.shape)
    alone = torch.cat([net(x[i : i + 1], c_noise[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(net(x, c_noise), alone, rtol=0, atol=1e-4)


def test_the_seed_decides_the_weights():
    first, second, third = network(0), network(0), network(1)
    same = [torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.stem.weight, third.stem.weight)
    x, c_noise = batch(2, first.shape)
    awake(first)
    assert torch.equal(first(x, c_noise), first(x, c_noise))


def test_dropout_acts_in_training_only():
    net = awake(network(dropout=0.5))
    x, c_noise = batch(2, net.shape)
    assert not torch.equal(net(x, c_noise), net(x, c_noise))
    net.eval()
    assert torch.equal(net(x, c_noise), net(x, c_noise))


def test_a_network_in_bfloat16_takes_float32_inputs():
    net = awake(network(classes=2))
    x, c_noise = batch(2, net.shape)
    exact = net(x, c_noise)
    rough = net.to(torch.bfloat16)(x, c_noise)
    assert rough.dtype == torch.bfloat16
    # bfloat16 has 8 bits: errors of 2^-9 a step over about 20 steps stay below 10 % of the output.
    assert (rough.float() - exact).norm() < 0.1 * exact.norm()


def test_no_step_waits_for_a_value():
    # Under FakeTensorMode tensors have no values: .item() or a branch on one raises.
    with FakeTensorMode():
        net = UNet((3, 7, 7), width=8, multipliers=(1, 2), attention=(4,), classes=3)
        x = torch.randn(2, 3, 7, 7)
        out = net(x, torch.randn(2), torch.tensor([0, 3]))
        out.square().mean().backward()
    assert out.shape == (2, 3, 7, 7)


def test_parameters_stay_contiguous_for_the_checkpoint():
    net = network(shape=(1, 8, 8))
    x, c_noise = batch(2, net.shape)
    (net(x, c_noise) - x).square().mean().backward()
    torch.optim.AdamW(net.parameters()).step()
    assert all(tensor.is_contiguous() for tensor in net.state_dict().values())


def test_attention_is_softmax_of_scaled_products():
    torch.manual_seed(0)
    layer = SelfAttention(12, head_channels=4)
    x = torch.randn(2, 12, 3, 5)
    n, c, pixels, heads = 2, 12, 15, 3
    qkv = layer.qkv(layer.norm(x)).reshape(n, 3 * c, pixels)
    mixed = torch.empty(n, c, pixels)
    for head in range(heads):
        rows = slice(4 * head, 4 * head + 4)
        q, k, v = (part[:, rows] for part in qkv.split(c, dim=1))
        weights = (q.transpose(1, 2) @ k / math.sqrt(4)).softmax(dim=-1)
        mixed[:, rows] = v @ weights.transpose(1, 2)
    expected = x + layer.out(mixed.reshape(n, c, 3, 5))
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_a_residual_block_with_silent_convolutions_is_its_shortcut():
    torch.manual_seed(0)
    x, embedding = torch.randn(2, 8, 5, 5), torch.randn(2, 6)
    same, down = ResidualBlock(8, 8, 6), ResidualBlock(8, 8, 6, down=True)
    for block in (same, down):
        torch.nn.init.zeros_(block.conv_out.weight)
        torch.nn.init.zeros_(block.conv_out.bias)
    assert torch.equal(same(x, embedding), x)
    assert torch.equal(down(x, embedding), halve(x))


@given(st.integers(1, 33), st.integers(1, 33))
@settings(max_examples=60)
def test_halving_undoes_enlarging_and_cells_are_means(h, w):
    torch.manual_seed(100 * h + w)
    small = torch.randn(1, 2, -(-h // 2), -(-w // 2))
    # Means of up to four equal float32 values may round once.
    torch.testing.assert_close(halve(enlarge(small, (h, w))), small, rtol=1e-6, atol=0)
    x = torch.randn(1, 1, h, w)
    halved = halve(x)
    assert halved.shape == (1, 1, -(-h // 2), -(-w // 2))
    corner = x[0, 0, 2 * (halved.shape[2] - 1) :, 2 * (halved.shape[3] - 1) :]
    torch.testing.assert_close(halved[0, 0, -1, -1], corner.mean(), rtol=1e-5, atol=1e-6)


@given(st.integers(1, 1000))
def test_groups_divide_the_channels(channels):
    groups = group_norm(channels).num_groups
    assert channels % groups == 0
    assert groups <= 32
    assert channels // groups >= min(4, channels)


@given(st.integers(1, 4), st.integers(1, 300), st.integers(1, 300))
def test_a_preset_attends_only_where_it_is_cheap(c, h, w):
    sizes = preset((c, h, w))
    sides = level_sides((c, h, w), len(sizes["multipliers"]))
    assert set(sizes["attention"]) <= set(sides)
    assert all(side <= 8 for side in sizes["attention"])
    assert sides[-1] <= 8


@pytest.mark.parametrize(
    ("shape", "least", "most"),
    [
        ((1, 8, 8), 150_000, 300_000),
        ((1, 14, 14), 300_000, 600_000),
        ((1, 28, 28), 500_000, 1_000_000),
        ((3, 32, 32), 1_000_000, 3_000_000),
    ],
)
def test_presets_have_the_promised_number_of_parameters(shape, least, most):
    count = sum(p.numel() for p in UNet(shape, **preset(shape)).parameters())
    assert least <= count <= most


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (1, 0, 8)}, "height"),
        ({"shape": (8, 8)}, "channels, height, width"),
        ({"width": 0}, "width=0"),
        ({"multipliers": ()}, "multiplier"),
        ({"blocks": 0}, "blocks=0"),
        ({"classes": -1}, "classes=-1"),
        ({"attention": (4, 5)}, r"attention=\[5\].*\[8, 4\]"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        UNet(**{"shape": (1, 8, 8), **SMALL, **change})


def test_it_learns_to_denoise():
    # At sigma = 1 the zero network leaves an error of 1; digits of two constant greys need one bit.
    torch.manual_seed(0)
    net = UNet((1, 8, 8), width=16, multipliers=(1, 1))
    step = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(40):
        x0 = torch.randint(2, (32, 1, 1, 1)).float().expand(-1, 1, 8, 8) * 2 - 1
        loss = (net(x0 + torch.randn(x0.shape), torch.zeros(32)) - x0).square().mean()
        step.zero_grad()
        loss.backward()
        step.step()
    # The mean of 64 pixels tells the sign (error rate 1e-15): the exact denoiser's error is 0.
    assert loss < 0.1
