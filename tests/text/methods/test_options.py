"""Which options have a say beside which others."""

from dataclasses import replace

import pytest

from infonoise_core.config.idle import refuse_idle
from infonoise_core.errors import InputError
from infonoise_text.methods.options import Objective, TextOptions
from infonoise_text.presets import TRAIN_PRESETS


@pytest.mark.parametrize("method", ["masked", "autoregressive", "embedding"])
@pytest.mark.parametrize(
    "objective",
    [
        Objective(tuples=4), Objective(group_bits=3), Objective(self_cond=0.1),
        Objective(infill=0.5), Objective(loss="edm"), Objective(codes="semantic"),
        Objective(predict="groups"), Objective(ordered=1.0),
    ],
    ids=str,
)  # fmt: skip
def test_other_methods_take_no_options_of_bits(method: str, objective: Objective) -> None:
    refuse_idle(TextOptions(objective=objective))
    with pytest.raises(InputError, match=f"is of bits, and --method is {method}"):
        refuse_idle(TextOptions(method=method, objective=objective))  # type: ignore[arg-type]
    # A run that was begun with it is made as it was.
    assert TextOptions(method=method, objective=objective).objective is objective  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (TextOptions(objective=Objective(network="cobit-s", tuples=4)), "--network is cobit-s"),
        (TextOptions(objective=Objective(network="linear-patch", reach=1)), "is linear-patch"),
        (TextOptions(objective=Objective(block=0, ordered=1.0)), "--block 0 learns nothing"),
        (TextOptions(clusters=4, objective=Objective(ordered=1.0)), "with --clusters nothing"),
        (TextOptions(objective=Objective(block=2, block_noise=True)), "blocks of one token"),
        (TextOptions(objective=Objective(predict="groups", block_noise=True)), "one token"),
        (TextOptions(objective=Objective(loss="bce", block_noise=True)), "one token"),
        (TextOptions(objective=Objective(ordered=0.0, block_noise=True)), "one token"),
        (TextOptions(method="masked", objective=Objective(block_noise=True)), "is masked"),
        (TextOptions(clusters=4, objective=Objective(block_noise=True)), "with --clusters nothing"),
    ],
)
def test_options_of_what_a_network_does_not_have(options: TextOptions, words: str) -> None:
    with pytest.raises(InputError, match=words):
        refuse_idle(options)


@pytest.mark.parametrize("method", ["bits", "masked", "autoregressive", "embedding"])
def test_each_method_has_the_sizes_of_the_trunk(method: str) -> None:
    sizes = Objective(network="small", reach=1, dropout=0.2, length=32, packing=False)
    if method != "bits":  # what is so anyway may be said
        sizes = replace(sizes, infill=0.0, self_cond=0.0, ordered=0.0)
    refuse_idle(TextOptions(method=method, objective=sizes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TRAIN_PRESETS)
def test_presets_hold_nothing_without_a_say(name: str) -> None:
    refuse_idle(TRAIN_PRESETS[name]().options)
