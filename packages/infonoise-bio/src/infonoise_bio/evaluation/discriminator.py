"""How well real and generated sequences can be told apart by their 4-mers, with and without place.

Logistic regression, five-fold: 0.5 is what real against real gives.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_bio.alphabet import Codes
from infonoise_bio.evaluation.composition import kmers
from infonoise_core.errors import InputError

FOLDS = 5
_K = 4
# Stretches of the sequence whose 4-mers are counted apart, when places count.
_STRETCH = 25
_PENALTY = 1.0


def discriminator_auc(real: Codes, generated: Codes, *, by_position: bool, seed: int = 0) -> float:
    """Area under the ROC curve of held-out scores, 0 to 1; 0.5 for sets that look alike.

    Features: counts of 4-mers; by_position: those in each stretch of 25 bases and the base at each
    position, too.
    """
    if min(len(real), len(generated)) < 2 * FOLDS:
        raise InputError(
            f"{len(real)} real and {len(generated)} generated sequences: to tell them apart give"
            f" at least {2 * FOLDS} each"
        )
    features = _features(np.concatenate([real, generated]), by_position)
    target = np.repeat([0.0, 1.0], [len(real), len(generated)])
    rng = np.random.default_rng(seed)
    # The folds hold both kinds in the same proportion.
    fold = np.concatenate([rng.permutation(len(s)) % FOLDS for s in (real, generated)])
    areas = []
    for i in range(FOLDS):
        train, test = fold != i, fold == i
        score = _fit_and_score(features[train], target[train], features[test])
        areas.append(auc(score[target[test] == 0], score[target[test] == 1]))
    return float(np.mean(areas))


def auc(negative: NDArray[np.float64], positive: NDArray[np.float64]) -> float:
    """Probability that a positive scores above a negative, ties counting half."""
    both = np.concatenate([negative, positive])
    _, inverse, times = np.unique(both, return_inverse=True, return_counts=True)
    rank = (np.cumsum(times) - (times - 1) / 2)[inverse]
    n, m = len(negative), len(positive)
    return float((rank[n:].sum() - m * (m + 1) / 2) / (n * m))


def _features(codes: Codes, by_position: bool) -> NDArray[np.float32]:
    words, known = kmers(codes, _K)
    stretches = np.zeros(words.shape[1], np.int64)
    if by_position:
        stretches = np.arange(words.shape[1]) // _STRETCH
    columns = words + 4**_K * stretches
    counts = np.zeros((len(codes), 4**_K * (int(stretches[-1]) + 1)), np.float32)
    rows, places = np.nonzero(known)
    np.add.at(counts, (rows, columns[rows, places]), 1.0)
    if not by_position:
        return counts
    bases = np.concatenate([(codes == base) for base in range(4)], 1).astype(np.float32)
    return np.concatenate([counts, bases], 1)


def _fit_and_score(
    train: NDArray[np.float32], target: NDArray[np.float64], test: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Scores (m,) of `test` by ridge-penalised logistic regression on standardised features."""
    mean, std = train.mean(0), train.std(0)
    std[std == 0] = 1
    x, y = torch.from_numpy((train - mean) / std), torch.from_numpy(target).to(torch.float32)
    weight = torch.zeros(x.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=60, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimizer.zero_grad()
        logits = x @ weight[1:] + weight[0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="sum")
        # Features come in hundreds and overlap: the penalty grows with their number.
        total = loss + _PENALTY * x.shape[1] * weight[1:].square().sum() / 2
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    scores = torch.from_numpy((test - mean) / std) @ weight.detach()[1:]
    return scores.to(torch.float64).numpy()
