"""The discriminator finds what is there to find, and nothing where there is nothing."""

import numpy as np
import pytest

from infonoise_bio.evaluation.discriminator import cnn_auc, discriminator_auc, mean_auc
from infonoise_core.errors import InputError


def drawn(n: int, seed: int, length: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (n, length)).astype(np.uint8)


def test_area_under_the_curve_is_the_share_of_pairs_in_order_in_each_fold():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.integers(0, 6, 30), rng.integers(2, 9, 20)]) / 1.0
    found, seen = [], []

    def score(target, train, test):
        assert not set(train) & set(test)
        assert len(train) + len(test) == 50
        low, high = scores[test][target[test] == 0], scores[test][target[test] == 1]
        # Both kinds in the same proportion: 30 and 20 in five folds.
        assert (len(low), len(high)) == (6, 4)
        found.append(((high[:, None] > low) + 0.5 * (high[:, None] == low)).mean())
        seen.extend(test.tolist())
        return scores[test]

    assert mean_auc(30, 20, 5, 0, score) == pytest.approx(float(np.mean(found)))
    assert sorted(seen) == list(range(50))


@pytest.mark.parametrize("by_position", [False, True])
def test_sets_of_one_law_cannot_be_told_apart(by_position):
    found = discriminator_auc(drawn(300, 0), drawn(300, 1), by_position=by_position)
    # Five folds of 60 against 60: a standard error of 0.053 each under chance (Mann-Whitney),
    # 0.024 of their mean as if independent; four of those.
    assert abs(found - 0.5) < 0.095


def test_what_depends_on_the_place_is_seen_by_places_only():
    """The same word in both sets, at one place and at another."""
    real, generated = drawn(300, 0), drawn(300, 1)
    word = np.array([3, 0, 3, 0, 0, 3], np.uint8)
    real[:, 6:12], generated[:, 30:36] = word, word
    assert discriminator_auc(real, generated, by_position=True) > 0.95
    assert abs(discriminator_auc(real, generated, by_position=False) - 0.5) < 0.1


def test_a_missing_word_is_seen():
    real, generated = drawn(300, 0), drawn(300, 1)
    real[:, 6:12] = [3, 0, 3, 0, 0, 3]
    assert discriminator_auc(real, generated, by_position=False) > 0.9


def test_few_sequences_are_refused():
    with pytest.raises(InputError, match="at least 10"):
        discriminator_auc(drawn(9, 0), drawn(30, 1), by_position=True)


def test_a_network_tells_what_differs_by_place_and_nothing_where_nothing_does():
    real, generated = drawn(80, 0), drawn(80, 1)
    # Two halves of 40 against 40: a standard error of 0.065 each under chance, four of 0.046.
    assert abs(cnn_auc(real, generated) - 0.5) < 0.185
    word = np.array([3, 0, 3, 0, 0, 3], np.uint8)
    real[:, 6:12], generated[:, 30:36] = word, word
    assert cnn_auc(real, generated) > 0.9
    with pytest.raises(InputError, match="at least 10"):
        cnn_auc(real[:9], generated)
