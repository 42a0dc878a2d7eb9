"""Text whose law is known: a Markov source of tokens, and its exact denoiser.

An oracle for tests. Independent tokens are the case of equal rows.
"""

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_text.codes.book import Codes
from infonoise_text.models.denoiser import CERTAIN


class MarkovSource:
    """A stationary first-order Markov chain of V tokens.

    Args:
        transition: (V, V), row v the law of what follows v.

    Attributes:
        stationary: (V,).
        entropy_rate: Nats per token, given all before it.
    """

    def __init__(self, transition: Tensor) -> None:
        table = transition.to(torch.float64)
        square = table.dim() == 2 and table.shape[0] == table.shape[1]
        one = torch.ones(len(table), dtype=torch.float64)
        if not square or bool((table < 0).any()) or not torch.allclose(table.sum(1), one):
            raise InputError(
                "a transition table is square, with rows of probabilities that sum to 1"
            )
        self.transition = table
        # pi T = pi and sum pi = 1; the sum is added to every equation.
        system = torch.eye(len(table), dtype=torch.float64) - table.T + 1
        self.stationary = torch.linalg.solve(system, one)
        self.entropy_rate = float(self.stationary @ _entropy(table))

    def entropy(self, length: int) -> float:
        """Nats of a window of `length` tokens."""
        return float(_entropy(self.stationary)) + (length - 1) * self.entropy_rate

    def sample(self, n: int, length: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, length) ids, int64."""
        first = torch.multinomial(self.stationary, n, True, generator=generator)
        ids = [first]
        for _ in range(length - 1):
            ids.append(
                torch.multinomial(self.transition[ids[-1]], 1, generator=generator).squeeze(1)
            )
        return torch.stack(ids, dim=1)


def _entropy(table: Tensor) -> Tensor:
    return -torch.xlogy(table, table).sum(-1)


class MarkovDenoiser(nn.Module):
    """E[x0 | x] of windows of a Markov source, by the forward-backward recursion in float64.

    Takes what a BitDenoiser takes; `previous` is not read, because x says it all.
    """

    def __init__(self, source: MarkovSource, book: Codes) -> None:
        super().__init__()
        self.start = nn.Parameter(source.stationary.log(), requires_grad=False)
        self.step = nn.Parameter(source.transition.log(), requires_grad=False)
        codes = book.encode(torch.arange(book.size)).to(torch.float64)
        self.codes = nn.Parameter(codes, requires_grad=False)

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        previous: Tensor | None = None,
        known: Tensor | None = None,
        clean: Tensor | None = None,
        logits: bool = False,
    ) -> Tensor:
        """x (n, L, m), sigma (n,) -> (n, L, m) float64."""
        evidence = self._evidence(x.to(torch.float64), sigma.to(torch.float64))
        if known is not None and clean is not None:
            other = (clean[:, :, None] != self.codes).any(-1)
            evidence = torch.where(known[..., None], torch.where(other, -torch.inf, 0.0), evidence)
        weights = self._posterior(evidence)
        one = torch.einsum("nlv,vm->nlm", weights, self.codes)
        zero = torch.einsum("nlv,vm->nlm", weights, 1 - self.codes)
        # A given or certain bit has finite log-odds, as a BitDenoiser's.
        return (one.log() - zero.log()).clamp(-CERTAIN, CERTAIN) if logits else one

    def _evidence(self, x: Tensor, sigma: Tensor) -> Tensor:
        """(n, L, V) log-likelihoods of single tokens, each given its own bits."""
        square = sigma.square()[:, None, None]
        return -torch.cdist(x, self.codes.expand(len(x), -1, -1)).square() / (2 * square)

    def _posterior(self, evidence: Tensor) -> Tensor:
        """(n, L, V) log-likelihoods of single tokens -> their probabilities given all of x."""
        length = evidence.shape[1]
        forward = [self.start + evidence[:, 0]]
        backward = [torch.zeros_like(evidence[:, 0])]
        for i in range(1, length):
            ahead = torch.logsumexp(forward[-1][:, :, None] + self.step, 1)
            forward.append(ahead + evidence[:, i])
            beyond = (backward[-1] + evidence[:, length - i])[:, None, :] + self.step
            backward.append(torch.logsumexp(beyond, 2))
        return torch.softmax(torch.stack(forward, 1) + torch.stack(backward[::-1], 1), -1)
