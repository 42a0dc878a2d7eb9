"""EDM's U-Nets and the transformer: the published sizes, what attends where, what reaches what."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import EDMDenoiser
from infonoise_core.sampling.guidance import guided
from infonoise_vision.models.blocks import SelfAttention, halve
from infonoise_vision.models.dit import DiT, patchify, positions, unpatchify
from infonoise_vision.models.edm.form import ADM, ADM_1, DDPMPP
from infonoise_vision.models.edm.unet import Block, EDMUNet
from infonoise_vision.models.registry import NETWORKS, Inputs, make_network
from infonoise_vision.models.unet import UNet

SHAPE = (3, 8, 8)
CLASSES, AUGMENT = 3, 9
TINY = {
    "small": partial(UNet, SHAPE, 8, (1, 2), attention=(4,)),
    "ddpmpp": partial(EDMUNet, SHAPE, DDPMPP, 8, (1, 2), 1, (4,)),
    "adm": partial(EDMUNet, SHAPE, ADM, 8, (1, 2), 1, (4,)),
    "dit": partial(DiT, SHAPE, 16, 2, 2),
}


@pytest.fixture(params=TINY)
def tiny(request) -> nn.Module:
    torch.manual_seed(0)
    return TINY[request.param](classes=CLASSES, augment=AUGMENT)


def batch(n: int = 4, shape: tuple[int, int, int] = SHAPE) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "x": torch.randn(n, *shape, generator=generator),
        "c_noise": torch.randn(n, generator=generator),
        "label": torch.arange(n) % (CLASSES + 1),
        "augment": torch.randn(n, AUGMENT, generator=generator),
    }


def trained(net: nn.Module, steps: int, lr: float = 0.05) -> nn.Module:
    """After some steps; the gradients of the last one stay."""
    step = torch.optim.SGD(net.parameters(), lr=lr)
    given = batch()
    for _ in range(steps):
        step.zero_grad()
        (net(**given) - given["x"]).square().mean().backward()
        step.step()
    return net


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("name", "inputs", "parameters"),
    [
        # EDM's CIFAR-10 network with its augment label: 55.7 M.
        ("ddpmpp-cifar10", Inputs((3, 32, 32), augment=9), 55_733_891),
        # EDM's FFHQ network: 61.8 M.
        ("ddpmpp-ffhq64", Inputs((3, 64, 64), augment=9), 61_805_571),
        # EDM's ImageNet-64 network: 295.9 M.
        ("adm-imagenet64", Inputs((3, 64, 64), classes=1000), 295_899_267),
    ],
)
def test_edms_networks_have_the_published_size(name, inputs, parameters):
    with torch.device("meta"):
        assert count(make_network(name, inputs)) == parameters


def test_the_ladder_of_networks():
    sizes = {}
    for name in NETWORKS:
        with torch.device("meta"):
            sizes[name] = count(make_network(name, Inputs((3, 32, 32), classes=10, augment=9)))
    assert list(sizes.values()) == sorted(sizes.values())
    assert sizes["small"] < 2e6
    assert 1e6 < sizes["dit-tiny"] < 3e6
    # DiT-S/2 of the paper has 33 M.
    assert sizes["dit-small"] == pytest.approx(33e6, rel=0.03)


@pytest.mark.parametrize(
    ("name", "shape", "sides"),
    [
        ("ddpmpp-cifar10", (3, 32, 32), {16}),
        ("ddpmpp-cifar10", (1, 28, 28), {14}),
        ("ddpmpp-ffhq64", (3, 64, 64), {16}),
        ("adm-imagenet64", (3, 64, 64), {32, 16, 8}),
    ],
)
def test_attention_is_at_the_asked_resolutions_and_once_at_the_bottom(name, shape, sides):
    seen: list[int] = []
    with torch.device("meta"):
        net = make_network(name, Inputs(shape))
        for layer in net.modules():
            if isinstance(layer, SelfAttention):
                layer.register_forward_hook(lambda _, args, __: seen.append(args[0].shape[2]))
        net(torch.empty(1, *shape), torch.empty(1))
    bottom = min(sides | {-(-shape[1] // 2 ** (len(net_levels(net)) - 1))})
    assert set(seen) == sides | {bottom}
    if bottom not in sides:
        assert seen.count(bottom) == 1


def net_levels(net: EDMUNet) -> list[Block]:
    """The blocks that lead into each level: one less than levels, and the first."""
    return [net.encoder[0], *(b for b in net.encoder if b.resample == "down")]


def test_ddpmpp_has_one_head_and_adm_heads_of_64_channels():
    for form, heads in ((DDPMPP, 1), (ADM, 2)):
        net = EDMUNet((1, 4, 4), form, 128, (1,), 1, (4,))
        assert {m.heads for m in net.modules() if isinstance(m, SelfAttention)} == {heads}


def test_before_training_the_denoiser_is_c_skip_x(tiny):
    given = batch()
    x, c_noise = given.pop("x"), given.pop("c_noise")
    assert torch.equal(tiny(x, c_noise, **given), torch.zeros_like(x))
    sigma = torch.tensor([0.01, 0.5, 3.0, 80.0])
    c_skip = 0.25 / (0.25 + sigma.square())
    # Two float32 roundings.
    torch.testing.assert_close(
        EDMDenoiser(tiny)(x, sigma, **given), c_skip[:, None, None, None] * x, rtol=1e-6, atol=0
    )


def test_the_gradient_reaches_every_parameter(tiny):
    # Layers that start at zero wake one after another, from the output inwards.
    silent = [k for k, p in trained(tiny, 5).named_parameters() if not p.grad.any()]
    assert silent == []
    given = batch()
    labels = tiny.embedding.label.weight.grad
    assert given["label"].max() == CLASSES  # the null label is among them
    assert labels[:CLASSES].any(dim=1).all()


def test_after_two_steps_conditions_change_the_output(tiny):
    """The first wakes the last layer, the second those that read the conditions."""
    given = batch()
    step = torch.optim.Adam(tiny.parameters(), lr=0.01)
    for _ in range(2):
        step.zero_grad()
        (tiny(**given) - given["x"]).square().mean().backward()
        step.step()
    base = tiny(**given)
    for key, other in (
        ("label", given["label"].roll(1)),
        ("augment", given["augment"] + 0.5),
        ("c_noise", given["c_noise"] + 0.3),
    ):
        assert (tiny(**{**given, key: other}) - base).abs().max() > 1e-5, key


def test_learning_one_label_leaves_the_others(tiny):
    trained(tiny, 3)
    given = batch(2)
    first = tiny(**{**given, "label": torch.tensor([0, 1])})
    second = tiny(**{**given, "label": torch.tensor([0, 2])})
    # Each example answers to its own label alone; 1e-5 is float32 rounding of outputs near 1.
    torch.testing.assert_close(first[0], second[0], rtol=0, atol=1e-5)


def test_left_out_means_the_null_label_and_no_augmentation(tiny):
    trained(tiny, 3)
    given = batch()
    null = {"label": torch.full((4,), CLASSES), "augment": torch.zeros(4, AUGMENT)}
    torch.testing.assert_close(
        tiny(given["x"], given["c_noise"]),
        tiny(given["x"], given["c_noise"], **null),
        rtol=0,
        atol=1e-6,
    )


def test_guidance_steers_by_the_null_label(tiny):
    denoiser = EDMDenoiser(trained(tiny, 5))
    x, sigma, label = torch.randn(2, *SHAPE), torch.tensor([0.5, 2.0]), torch.tensor([0, 1])
    null = torch.tensor([CLASSES])
    strong = guided(denoiser, 3.0, label=null)(x, sigma, label=label)
    free, led = denoiser(x, sigma), denoiser(x, sigma, label=label)
    torch.testing.assert_close(strong, free + 3 * (led - free), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("key", ["label", "augment"])
def test_conditions_a_network_was_not_built_for_are_refused(name, key):
    given = batch()
    with pytest.raises(InputError, match=f"{key} given to a network"):
        TINY[name]()(given["x"], given["c_noise"], **{key: given[key]})


def test_one_example_does_not_see_the_others(tiny):
    trained(tiny, 3)
    given = batch()
    alone = torch.cat([tiny(**{k: v[i : i + 1] for k, v in given.items()}) for i in range(4)])
    torch.testing.assert_close(tiny(**given), alone, rtol=0, atol=1e-5)


def test_no_step_waits_for_a_value(tiny):
    # Under FakeTensorMode tensors have no values: .item() or a branch on one raises.
    with FakeTensorMode(allow_non_fake_inputs=True):
        out = tiny(
            torch.randn(2, *SHAPE), torch.randn(2), torch.tensor([0, 3]), torch.randn(2, AUGMENT)
        )
    assert out.shape == (2, *SHAPE)


@pytest.mark.parametrize("form", [DDPMPP, ADM])
@pytest.mark.parametrize("shape", [(1, 7, 7), (2, 14, 9), (3, 5, 13), (1, 1, 1)])
def test_edms_forms_take_odd_sides(form, shape):
    net = EDMUNet(shape, form, 8, (1, 1, 2), 1)
    nn.init.normal_(net.out.weight)
    out = net(torch.randn(2, *shape), torch.randn(2))
    assert out.shape == (2, *shape)
    assert out.isfinite().all()
    assert out.is_contiguous()


@pytest.mark.parametrize(("form", "scale"), [(DDPMPP, math.sqrt(0.5)), (ADM, 1.0)])
def test_a_fresh_block_is_its_shortcut(form, scale):
    net = EDMUNet((1, 8, 8), form, 8, (1, 1), 1)
    down = next(b for b in net.encoder if b.resample == "down")
    x, embedding = torch.randn(2, 8, 8, 8), torch.randn(2, 32)
    expected = down.shortcut(halve(x)) * scale
    torch.testing.assert_close(down(x, embedding, (8, 8)), expected, rtol=1e-6, atol=1e-6)
    assert isinstance(down.shortcut, nn.Conv2d) == form.projected


@pytest.mark.parametrize("form", [DDPMPP, ADM_1])
@pytest.mark.parametrize("resample", [None, "down", "up"])
def test_a_block_against_plain_formulas(form, resample):
    torch.manual_seed(0)
    block = Block(8, 12, 6, form, resample=resample, attention=True)
    x, embedding = torch.randn(2, 8, 4, 4), torch.randn(2, 6)

    def sized(y: Tensor) -> Tensor:
        if resample == "down":
            return y.reshape(2, -1, 2, 2, 2, 2).mean(dim=(3, 5))
        return y.repeat_interleave(2, 2).repeat_interleave(2, 3) if resample == "up" else y

    def silu(y: Tensor) -> Tensor:
        return y * y.sigmoid()

    given = block.modulation(embedding)[:, :, None, None]
    h = block.conv_in(sized(silu(block.norm_in(x))))
    if form is ADM_1:
        h = block.norm_out(h) * (1 + given[:, :12]) + given[:, 12:]
    else:
        h = block.norm_out(h + given)
    total = block.shortcut(sized(x)) + block.conv_out(silu(h))
    scale = math.sqrt(0.5) if form is DDPMPP else 1.0
    # What attention gives, its input added, is checked in test_model.
    expected = block.attention(total * scale) * scale
    torch.testing.assert_close(block(x, embedding, (8, 8)), expected, rtol=1e-4, atol=1e-5)


def test_a_network_in_bfloat16_takes_float32_inputs(tiny):
    given = batch()
    exact = trained(tiny, 5)(**given)
    rough = tiny.to(torch.bfloat16)(**given)
    assert rough.dtype == torch.bfloat16
    # bfloat16 has 8 bits: errors of 2^-9 a step over some 30 steps stay below 15 % of the output.
    assert (rough.float() - exact).norm() < 0.15 * exact.norm()


def test_parameters_stay_contiguous_for_the_checkpoint(tiny):
    trained(tiny, 2)
    assert all(tensor.is_contiguous() for tensor in tiny.state_dict().values())


def test_dropout_acts_in_training_only():
    for make in TINY.values():
        net = trained(make(classes=CLASSES, augment=AUGMENT, dropout=0.5), 3)
        given = batch()
        assert not torch.equal(net(**given), net(**given))
        net.eval()
        assert torch.equal(net(**given), net(**given))


# The transformer's parts


@given(
    st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3)
)
@settings(max_examples=60)
def test_unpatchify_undoes_patchify(c, rows, columns, patch, n):
    x = torch.arange(n * c * rows * columns * patch**2).reshape(n, c, rows * patch, columns * patch)
    tokens = patchify(x, patch)
    assert tokens.shape == (n, rows * columns, c * patch**2)
    assert torch.equal(unpatchify(tokens, x.shape[1:], patch), x)
    # The second patch is right of the first, where there is one.
    if columns > 1:
        second = x[:, :, :patch, patch : 2 * patch]
        assert torch.equal(tokens[:, 1].reshape(n, c, patch, patch), second)


def test_positions_are_all_different_and_say_row_and_column():
    table = positions(5, 7, 32)
    assert torch.cdist(table, table).add(torch.eye(35)).min() > 0.1
    grid = table.reshape(5, 7, 32)
    assert torch.equal(grid[2, :, :16], grid[2, :1, :16].expand(7, -1))
    assert torch.equal(grid[:, 3, 16:], grid[:1, 3, 16:].expand(5, -1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (3, 7, 8)}, "8x7 pixels do not divide into patches of 2x2"),
        ({"shape": (8, 8)}, "channels, height, width"),
        ({"width": 18}, "width=18"),
        ({"heads": 3}, "heads=3"),
        ({"depth": 0}, "depth=0"),
    ],
)
def test_transformers_that_cannot_be_built_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        DiT(**{"shape": SHAPE, "width": 16, "depth": 1, "heads": 2, **change})


def test_a_name_that_is_no_network():
    with pytest.raises(InputError, match=r"--network big: .*adm-imagenet64"):
        make_network("big", Inputs(SHAPE))


@pytest.mark.parametrize("name", ["small", "ddpmpp", "adm", "dit"])
def test_they_learn_to_denoise(name):
    # At sigma = 1 the zero network leaves an error of 1; images of two constant greys need one bit.
    torch.manual_seed(0)
    net = TINY[name]()
    step = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(40):
        x0 = torch.randint(2, (32, 1, 1, 1)).float().expand(-1, *SHAPE) * 2 - 1
        loss = (net(x0 + torch.randn(x0.shape), torch.zeros(32)) - x0).square().mean()
        step.zero_grad()
        loss.backward()
        step.step()
    # The mean of 192 pixels tells the sign: the exact denoiser's error is 0.
    assert loss < 0.2
