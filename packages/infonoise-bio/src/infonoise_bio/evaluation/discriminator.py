"""How well real and generated sequences can be told apart: 0.5 is what real against real gives.

By logistic regression on 4-mers, with and without their place, and by a small convolutional
network; both are judged on sequences that they were not fitted to.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.evaluation.composition import kmers
from infonoise_core.errors import InputError

FOLDS = 5
# Sequences of each kind that it takes.
LEAST = 2 * FOLDS
_K = 4
# Stretches of the sequence whose 4-mers are counted apart, when places count.
_STRETCH = 25
_PENALTY = 1.0
# Of the network.
_WIDTH, _STEPS, _BATCH = 32, 200, 64

Floats = NDArray[np.float64]


def discriminator_auc(real: Codes, generated: Codes, *, by_position: bool, seed: int = 0) -> float:
    """Area under the ROC curve of a logistic regression, 0 to 1; 0.5 for sets that look alike.

    Args:
        real: Codes (n, L).
        generated: Codes (m, L).
        by_position: Features are the counts of 4-mers; with it, too, those in each stretch of 25
            bases and the base at each position.
        seed: Of the five folds.
    """
    found = features(np.concatenate([real, generated]), by_position)

    def score(target: Floats, train: NDArray[np.int64], test: NDArray[np.int64]) -> Floats:
        return _logistic(found[train], target[train], found[test])

    return mean_auc(len(real), len(generated), FOLDS, seed, score)


def cnn_auc(real: Codes, generated: Codes, seed: int = 0) -> float:
    """Area under the ROC curve of a small convolutional network, 0 to 1.

    Two-fold: each half is judged by a network that was trained on the other one.
    """
    codes = torch.from_numpy(np.concatenate([real, generated]))
    number = iter(range(2))

    def score(target: Floats, train: NDArray[np.int64], test: NDArray[np.int64]) -> Floats:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + next(number))
            judge = _trained(codes[train], torch.from_numpy(target[train]).float())
        with torch.no_grad():
            parts = torch.split(torch.from_numpy(test), 1024)
            return torch.cat([judge(codes[rows]) for rows in parts]).double().numpy()

    return mean_auc(len(real), len(generated), 2, seed, score)


Scorer = Callable[[Floats, NDArray[np.int64], NDArray[np.int64]], Floats]


def mean_auc(real: int, generated: int, folds: int, seed: int, score: Scorer) -> float:
    """Mean over folds, each with both kinds in the same proportion.

    Args:
        real: How many there are of the first kind.
        generated: How many there are of the other.
        score: Targets, rows to fit and rows to judge -> scores of the latter.
    """
    from sklearn.metrics import roc_auc_score

    if min(real, generated) < LEAST:
        raise InputError(
            f"{real} real and {generated} generated sequences: to tell them apart give at least"
            f" {LEAST} each"
        )
    target = np.repeat([0.0, 1.0], [real, generated])
    areas = [
        roc_auc_score(target[test], score(target, train, test))
        for train, test in _folds(real, generated, folds, seed)
    ]
    return float(np.mean(areas))


def _folds(
    real: int, generated: int, folds: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    rng = np.random.default_rng(seed)
    fold = np.concatenate([rng.permutation(n) % folds for n in (real, generated)])
    for i in range(folds):
        yield np.flatnonzero(fold != i), np.flatnonzero(fold == i)


def features(codes: Codes, by_position: bool) -> NDArray[np.float32]:
    """(n, k) counts of 4-mers; `by_position` as in `discriminator_auc`."""
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


def _logistic(train: NDArray[np.float32], target: Floats, test: NDArray[np.float32]) -> Floats:
    """Scores (m,) of `test` by ridge-penalised logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    # Features come in hundreds and overlap: the penalty grows with their number.
    model = LogisticRegression(C=1 / (_PENALTY * train.shape[1]), max_iter=200)
    model.fit(scaler.transform(train), target)
    scores: Floats = model.decision_function(scaler.transform(test))
    return scores


class Judge(nn.Module):
    """Codes (n, L) -> logit (n,) that a sequence is generated.

    Motifs by a wide convolution, their arrangement by two dilated ones; positions are learned, so
    that a motif in the wrong place is seen.
    """

    def __init__(self, length: int) -> None:
        super().__init__()
        self.stem = nn.Conv1d(MASKED, _WIDTH, 11, padding=5)
        self.position = nn.Parameter(torch.zeros(_WIDTH, length))
        self.near = nn.Conv1d(_WIDTH, _WIDTH, 5, padding=4, dilation=2)
        self.far = nn.Conv1d(_WIDTH, _WIDTH, 5, padding=16, dilation=8)
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear(2 * _WIDTH, 1)

    def forward(self, codes: Tensor) -> Tensor:
        """A masked base is none of the four."""
        bases = nn.functional.one_hot(codes.long(), MASKED + 1)[..., :MASKED]
        h = torch.relu(self.stem(bases.transpose(1, 2).float()) + self.position)
        h = h + torch.relu(self.near(h))
        h = h + torch.relu(self.far(h))
        pooled = torch.cat([h.mean(2), h.amax(2)], 1)
        logit: Tensor = self.out(self.dropout(pooled))[:, 0]
        return logit


def _trained(codes: Tensor, target: Tensor) -> Judge:
    """Cross-entropy and AdamW; no more steps than few sequences stand."""
    steps = min(_STEPS, 2 * len(codes))
    judge = Judge(codes.shape[1])
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.1)
    order = torch.cat([torch.randperm(len(codes)) for _ in range(-(-steps * _BATCH // len(codes)))])
    for rows in torch.split(order, _BATCH)[:steps]:
        loss = nn.functional.binary_cross_entropy_with_logits(judge(codes[rows]), target[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return judge.eval()
