"""Augmentation: nothing at p = 0, exact flips and quarter turns, a label that tells the truth."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_vision.models.augment import AUGMENT_DIM, Transforms, apply, draw, resample


def transforms(n: int = 1, **parts: float | tuple[float, float]) -> Transforms:
    """Nothing, but for the named parts, for n images alike."""
    nothing = dict.fromkeys(("mirror", "flip", "scale", "angle", "stretch", "direction"), 0.0)
    values = {"shift": (0.0, 0.0), **nothing, **parts}
    tensors = {k: torch.tensor(v) for k, v in values.items()}
    return Transforms(**{k: v.expand(n, *v.shape) for k, v in tensors.items()})


def images(n: int = 3, c: int = 2, h: int = 8, w: int = 8, seed: int = 0) -> Tensor:
    return torch.rand(n, c, h, w, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def bump(h: int, w: int, x: float, y: float, width: float = 2.0) -> Tensor:
    """A smooth spot centred `x` to the right of and `y` below the middle, in pixels."""
    rows, columns = torch.arange(h) - (h - 1) / 2, torch.arange(w) - (w - 1) / 2
    square = (rows[:, None] - y) ** 2 + (columns - x) ** 2
    return torch.exp(-square / (2 * width**2))[None, None]


def centre(x: Tensor) -> tuple[float, float]:
    """Mean place of one channel's weight, in pixels from the middle."""
    h, w = x.shape[2:]
    rows, columns = torch.arange(h) - (h - 1) / 2, torch.arange(w) - (w - 1) / 2
    mass = x[0, 0] / x[0, 0].sum()
    return float((mass * columns).sum()), float((mass * rows[:, None]).sum())


def spread(x: Tensor) -> Tensor:
    """(2, 2) covariance of one channel's weight, over (right, down)."""
    h, w = x.shape[2:]
    rows, columns = torch.arange(h) - (h - 1) / 2, torch.arange(w) - (w - 1) / 2
    mass = x[0, 0] / x[0, 0].sum()
    places = torch.stack([columns.expand(h, w), rows[:, None].expand(h, w)])
    return torch.einsum("ihw,jhw,hw->ij", places, places, mass)


def test_at_p_0_nothing_happens():
    x = images()
    t = draw(3, 0.0)
    assert torch.equal(apply(x, t), x)
    assert torch.equal(t.label(), torch.zeros(3, AUGMENT_DIM))


@given(st.integers(0, 50), st.floats(0.01, 1))
def test_the_label_is_zero_exactly_where_nothing_was_done(seed, p):
    t = draw(20, p, generator=torch.Generator().manual_seed(seed))
    x = images(20, seed=seed)
    untouched = (apply(x, t) == x).flatten(1).all(1)
    assert torch.equal((t.label() == 0).all(1), untouched)


def test_resampling_is_exact_for_parabolas():
    """What defines the kernel: polynomials up to the second degree come out as they are."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(10.0), indexing="ij")
    x = (0.3 * columns**2 - columns * rows + 0.2 * rows - 1)[None, None]
    u = torch.rand(1, 80, 2, generator=torch.Generator().manual_seed(0))
    places = 2 + u * torch.tensor([5.0, 3.0])  # away from the mirrors
    column, row = places.unbind(2)
    expected = (0.3 * column**2 - column * row + 0.2 * row - 1).reshape(1, 1, 8, 10)
    torch.testing.assert_close(resample(x, places), expected, rtol=0, atol=1e-4)


def test_flips_move_pixels_and_nothing_else():
    x = images(h=7, w=10)
    assert torch.equal(apply(x, transforms(3, mirror=1.0)), x.flip(3))
    assert torch.equal(apply(x, transforms(3, flip=1.0)), x.flip(2))
    assert torch.equal(apply(x, transforms(3, flip=1.0, mirror=1.0)), x.flip(2, 3))


@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
@pytest.mark.parametrize("side", [8, 9])
def test_quarter_turns_are_exact(quarters, side):
    x = images(h=side, w=side)
    turned = apply(x, transforms(3, angle=quarters * math.pi / 2))
    # Sampling points are off by float32's rounding of the angle, some 1e-6 pixels.
    torch.testing.assert_close(turned, x.rot90(quarters, (2, 3)), rtol=0, atol=1e-4)


def test_a_half_turn_is_two_flips_on_any_shape():
    x = images(h=6, w=11)
    turned = apply(x, transforms(3, angle=math.pi))
    torch.testing.assert_close(turned, x.flip(2, 3), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("h", "w"), [(32, 32), (32, 48)])
def test_a_shift_is_in_eighths_of_the_image_to_the_right_and_down(h, w):
    x = bump(h, w, 0.0, 0.0)
    whole = apply(x, transforms(shift=(1.0, -1.0)))
    torch.testing.assert_close(whole, x.roll((-h // 8, w // 8), (2, 3)), rtol=0, atol=1e-4)
    # Bicubic sampling keeps the centre of a smooth spot within a hundredth of a pixel.
    right, down = centre(apply(x, transforms(shift=(0.3, 0.7))))
    assert right == pytest.approx(0.3 * w / 8, abs=0.01)
    assert down == pytest.approx(0.7 * h / 8, abs=0.01)


@pytest.mark.parametrize("scale", [-1.0, 1.5])
def test_scale_is_in_fifths_of_an_octave(scale):
    factor = 2 ** (0.2 * scale)
    x = apply(bump(48, 48, 6.0, -4.0, 3.0), transforms(scale=scale))
    assert centre(x) == pytest.approx((6 * factor, -4 * factor), abs=0.02)
    # A spot's variance grows with the square; interpolation adds less than 1 %.
    assert spread(x).trace() - 52 * factor**2 == pytest.approx(2 * 9 * factor**2, rel=0.02)


@pytest.mark.parametrize("direction", [0.0, 0.6, -2.0])
def test_a_stretch_is_along_its_direction_and_keeps_the_area(direction):
    x = apply(bump(64, 64, 0.0, 0.0, 4.0), transforms(stretch=2.0, direction=direction))
    along = torch.tensor([math.cos(direction), -math.sin(direction)])  # y points down
    across = torch.tensor([math.sin(direction), math.cos(direction)])
    factor = 2**0.4
    covariance = spread(x)
    assert along @ covariance @ along == pytest.approx(16 * factor**2, rel=0.01)
    assert across @ covariance @ across == pytest.approx(16 / factor**2, rel=0.01)
    assert abs(along @ covariance @ across) < 0.1


def test_the_order_is_scale_rotation_stretch_shift():
    x = bump(64, 64, 8.0, 0.0, 3.0)
    t = transforms(scale=1.0, angle=0.5, stretch=1.0, direction=0.0, shift=(0.5, 0.0))
    turned = 8 * 2**0.2 * torch.tensor([math.cos(0.5), -math.sin(0.5)])
    expected = turned * torch.tensor([2**0.2, 2**-0.2]) + torch.tensor([4.0, 0.0])
    assert centre(apply(x, t)) == pytest.approx(expected.tolist(), abs=0.05)


def test_the_label_names_each_part():
    t = transforms(
        2, mirror=1.0, flip=1.0, scale=0.3, angle=2.0, stretch=-0.7, direction=1.0, shift=(0.1, 0.2)
    )
    expected = [
        1, 1, 0.3, math.cos(2) - 1, math.sin(2), -0.7 * math.cos(1), -0.7 * math.sin(1), 0.1, 0.2,
    ]  # fmt: skip
    torch.testing.assert_close(t.label(), torch.tensor([expected, expected]))


def test_each_part_comes_with_its_probability():
    n, p = 20_000, 0.12
    t = draw(n, p, generator=torch.Generator().manual_seed(0))
    shares = {
        "mirror": (t.mirror, 0.5),
        "flip": (t.flip, p / 2),
        "scale": (t.scale, p),
        "angle": (t.angle, p),
        "stretch": (t.stretch, p),
        "shift": (t.shift[:, 0], p),
    }
    for name, (value, share) in shares.items():
        # Four standard errors of a share.
        bound = 4 * math.sqrt(share * (1 - share) / n)
        assert (value != 0).float().mean() == pytest.approx(share, abs=bound), name
    drawn = t.scale[t.scale != 0]
    assert drawn.std() == pytest.approx(1, abs=4 / math.sqrt(2 * len(drawn)))
    assert t.angle.abs().max() <= math.pi
    # Half of the stretches are along rows or columns (EDM's aniso_rotate_prob).
    straight = (t.direction == 0).float().mean()
    assert straight == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(n))
    assert t.direction.abs().max() <= math.pi


def test_exact_means_flips_only():
    t = draw(500, 1.0, exact=True, generator=torch.Generator().manual_seed(0))
    x = images(500).sign()
    assert set(apply(x, t).unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert t.label()[:, 2:].eq(0).all()
    assert t.label()[:, :2].any(0).all()


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_a_probability_outside_0_to_1_is_refused(p):
    with pytest.raises(InputError, match="--augment"):
        draw(3, p)
