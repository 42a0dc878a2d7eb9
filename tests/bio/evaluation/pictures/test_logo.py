"""Heights of letters against the formula by hand."""

import math

import numpy as np
import pytest

from infonoise_bio.evaluation.pictures.logo import draw_logo, letter_heights
from infonoise_core.plot import figure, to_svg


def test_heights_are_shares_of_the_information():
    codes = np.zeros((800, 4), np.uint8)
    codes[:, 1] = np.arange(800) % 4
    codes[:, 2] = np.arange(800) % 2
    codes[:, 3] = 4
    heights = letter_heights(codes)
    bias = 3 / (2 * math.log(2) * 800)
    assert heights[0].tolist() == pytest.approx([2 - bias, 0, 0, 0])
    assert heights[1].tolist() == [0, 0, 0, 0]
    assert heights[2].tolist() == pytest.approx([(1 - bias) / 2, (1 - bias) / 2, 0, 0])
    assert heights[3].tolist() == [0, 0, 0, 0]


def test_only_letters_that_can_be_seen_are_drawn():
    codes = np.zeros((800, 3), np.uint8)
    codes[:, 1] = np.arange(800) % 2
    codes[:, 2] = np.arange(800) % 4
    fig, ax = figure()
    draw_logo(ax, codes)
    assert len(ax.patches) == 3
    assert "<svg" in to_svg(fig)
