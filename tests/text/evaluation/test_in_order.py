"""What text costs in order, by a network that is blind to noise there: exact, by closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_text.codes.book import CodeBook
from infonoise_text.data.corpus import Split, SplitCounts
from infonoise_text.evaluation.bound import TextEvaluation
from infonoise_text.evaluation.in_order import BothWays, InOrder, told_costs
from infonoise_text.models.behind import Behind
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import CENTRE, BitDenoiser, make_denoiser
from infonoise_text.models.tuples import TupleTransformer

BOOK = CodeBook(torch.tensor([5, 0, 6, 3, 1]), 3, 0, "some")
V, L = 5, 4
SIZES = TrunkConfig(width=24, blocks=2, heads=2, reach=2, tuples=True, block=1, blind=True)


def blind(*, random: bool) -> BitDenoiser:
    denoiser = make_denoiser(3, SIZES, 0, codes=BOOK.encode(torch.arange(V)))
    rng = torch.Generator().manual_seed(1)
    for parameter in denoiser.parameters() if random else ():
        nn.init.normal_(parameter, std=0.2, generator=rng)
    return denoiser.eval()


def split_of(ids: Tensor) -> Split:
    flat = ids.flatten().numpy().astype(np.uint16)
    return Split("valid", flat, SplitCounts(1, len(flat), 2 * len(flat), ""))


def test_the_probabilities_of_all_texts_add_up_to_one() -> None:
    texts = torch.tensor(list(itertools.product(range(V), repeat=L)))
    nats = told_costs(blind(random=True), BOOK, texts)
    assert float((-nats).exp().sum()) == pytest.approx(1, abs=1e-4)
    assert float(nats.std()) > 0.1


def test_no_more_is_held_at_a_time_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, denoiser = (
        torch.tensor(list(itertools.product(range(V), repeat=L)))[:60],
        blind(random=True),
    )
    nats = told_costs(denoiser, BOOK, texts)
    asked: list[int] = []
    denoiser.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    monkeypatch.setattr("infonoise_text.models.denoiser._NUMBERS", 7 * L * V)
    # Sums of float32 in another order.
    torch.testing.assert_close(told_costs(denoiser, BOOK, texts), nats, atol=1e-5, rtol=0)
    assert max(asked) == 7


def test_tokens_that_are_given_cost_nothing_and_leave_the_others_what_they_cost() -> None:
    texts = torch.tensor(list(itertools.product(range(V), repeat=L)))
    denoiser, unknown = blind(random=True), (torch.arange(L) >= 2).expand(V**L, L)
    behind, whole = told_costs(denoiser, BOOK, texts, unknown), told_costs(denoiser, BOOK, texts)
    # Behind each beginning the probabilities of all ends add up to one.
    ends = (-behind).exp().reshape(V**2, V**2).sum(1)
    torch.testing.assert_close(ends, torch.ones_like(ends), atol=1e-4, rtol=0)
    assert bool((behind < whole).all())


def test_a_network_of_frequencies_costs_what_the_unigram_model_does() -> None:
    denoiser, counts = blind(random=False), torch.tensor([40, 30, 20, 9, 1])
    assert isinstance(denoiser.network, TupleTransformer)
    denoiser.network.expect(counts)
    ids = torch.multinomial(counts.float(), 12 * L, replacement=True,
                            generator=torch.Generator().manual_seed(0)).reshape(12, L)  # fmt: skip
    share = (counts + 0.5) / (counts + 0.5).sum()
    expected = -share.log()[ids].to(torch.float64)
    evaluation = InOrder(split_of(ids), BOOK, L, 12)
    assert evaluation.bound(denoiser).nats == pytest.approx(float(expected.mean()), abs=1e-5)
    # Two bytes a token.
    per_byte = float(expected.mean()) / 2 / math.log(2)
    assert evaluation(denoiser)["bits_per_byte"] == pytest.approx(per_byte, abs=1e-5)
    assert float(evaluation.by_example(denoiser).mean()) == pytest.approx(per_byte, abs=1e-5)


@pytest.mark.parametrize("sigma", [0.2, 1.0, 20.0])
@torch.no_grad()
def test_what_noisy_bits_tell_is_added_exactly(sigma: float) -> None:
    """D is the posterior mean under the law behind the text before: nothing else is heard."""
    denoiser, rng = blind(random=True), torch.Generator().manual_seed(2)
    ids = torch.randint(0, V, (7, L), generator=rng)
    clean = BOOK.encode(ids).float()
    x = clean + sigma * torch.randn(clean.shape, generator=rng)
    nothing, level = torch.full_like(clean, CENTRE), torch.full((7,), sigma)
    law = denoiser(nothing, level, joint=True, before=clean)
    codes = BOOK.encode(torch.arange(V)).float()
    odds = ((x - CENTRE) / sigma**2).clamp(-30, 30) @ codes.T
    expected = (law + odds).softmax(-1) @ codes
    torch.testing.assert_close(denoiser(x, level, before=clean), expected, atol=2e-6, rtol=0)
    behind = Behind.first(denoiser, 7)
    for at in range(L):
        found = behind(x[:, at : at + 1], level)
        # Sums in another order.
        torch.testing.assert_close(found, expected[:, at : at + 1], atol=2e-4, rtol=0)
        behind = behind.then(clean[:, at : at + 1])


def test_whole_windows_are_what_schedules_are_ranked_by() -> None:
    ids = torch.randint(0, V, (6, L), generator=torch.Generator().manual_seed(0))
    sizes = TrunkConfig(**{**SIZES.__dict__, "whole": True})
    denoiser = make_denoiser(3, sizes, 0, codes=BOOK.encode(torch.arange(V)))
    whole = TextEvaluation(split_of(ids), BOOK, L, 80.0, windows=6)
    both = BothWays(whole, InOrder(split_of(ids), BOOK, L, 6))
    names = [measure.name for measure in both.measures()]
    assert names[0] == "bits_per_byte"
    found = both(denoiser)
    assert {*names} == {name for name in found if not name.endswith("_stderr")}
    assert len({measure.label for measure in both.measures()}) == len(names)
    by_example = both.by_example(denoiser)
    assert by_example is not None
    assert float(by_example.mean()) == pytest.approx(found["bits_per_byte"], rel=1e-6)
