"""How well a small convolutional network tells real from generated sequences it has not seen."""

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.evaluation.discriminator import auc
from infonoise_core.errors import InputError

_WIDTH, _STEPS, _BATCH = 32, 200, 64
_LEAST = 10


class Judge(nn.Module):
    """Codes (n, L) -> logit (n,) that a sequence is generated.

    Motifs by a wide convolution, their arrangement by two dilated ones; positions are learned, so
    that a motif in the wrong place can be told.
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


def cnn_auc(real: Codes, generated: Codes, seed: int = 0) -> float:
    """Area under the ROC curve of held-out scores, 0 to 1; 0.5 for sets that look alike.

    Two-fold: each half is judged by a network that was trained on the other one.
    """
    if min(len(real), len(generated)) < _LEAST:
        raise InputError(
            f"{len(real)} real and {len(generated)} generated sequences: to tell them apart give"
            f" at least {_LEAST} each"
        )
    codes = torch.from_numpy(np.concatenate([real, generated]))
    target = torch.cat([torch.zeros(len(real)), torch.ones(len(generated))])
    rng = np.random.default_rng(seed)
    # The folds hold both kinds in the same proportion.
    fold = np.concatenate([rng.permutation(len(s)) % 2 for s in (real, generated)])
    areas = []
    for i in range(2):
        train, test = (torch.from_numpy(np.flatnonzero(fold == j)) for j in (1 - i, i))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + i)
            judge = _trained(codes[train], target[train])
        with torch.no_grad():
            score = torch.cat([judge(codes[rows]) for rows in torch.split(test, 1024)])
        told = score.to(torch.float64).numpy()
        is_generated = target[test].numpy() == 1
        areas.append(auc(told[~is_generated], told[is_generated]))
    return float(np.mean(areas))


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
