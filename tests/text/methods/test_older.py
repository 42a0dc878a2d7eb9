"""Runs of releases before the networks of tuples are read, and go on, as they were begun."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from infonoise_core.training.config import RATE
from infonoise_text.methods.older import as_today, going_on
from infonoise_text.methods.options import Objective, TextOptions
from infonoise_text.models.config import preset
from infonoise_text.models.transformer import BitTransformer
from infonoise_text.models.tuples import TupleTransformer

from ..command_line import of_first_release, opened

OLD = {"objective": {"length": 16, "codes": "binary", "network": "tiny", "loss": "edm"}}


def test_the_defaults_of_old_runs_are_those_they_were_begun_with() -> None:
    assert as_today(OLD)["objective"]["network"] == "linear-patch"
    objective = going_on(TextOptions(), OLD).objective
    assert (objective.network, objective.book, objective.cost) == ("linear-patch", "binary", "edm")
    given = TextOptions(objective=Objective(network="small", codes="semantic"))
    objective = going_on(given, OLD).objective
    assert (objective.network, objective.book) == ("linear-patch-small", "semantic")


def test_networks_of_tuples_saw_one_neighbour_on_each_side_before_they_had_a_reach() -> None:
    begun = {"objective": {"network": "tiny", "tuples": 8}}
    today = {"network": "tiny", "tuples": 8, "reach": 1, "predict": "groups", "block": 0}
    assert as_today(begun)["objective"] == today | {"block_noise": True}
    expected = Objective(reach=1, predict="groups", block=0, block_noise=True)
    assert going_on(TextOptions(), begun).objective == expected
    # What is asked for otherwise is not hidden: another network is refused where settings are read.
    other = TextOptions(objective=Objective(reach=3))
    assert going_on(other, begun).objective.reach == 3


@pytest.mark.parametrize("network", ["tiny", "linear-patch"])
def test_networks_of_tuples_predicted_groups_before_they_could_predict_tokens(network: str) -> None:
    begun = {"objective": {"network": network, "tuples": 8, "reach": 2}}
    predict = "groups" if network == "tiny" else None
    assert as_today(begun)["objective"].get("predict") == predict
    options = TextOptions(objective=Objective(network=network))
    assert going_on(options, begun).objective.predict == predict


def test_blocks_of_one_token_were_learned_at_every_noise_level() -> None:
    begun = {"objective": {k: v for k, v in TODAY.items() if k != "block_noise"}}
    assert as_today(begun)["objective"]["block_noise"]
    assert going_on(TextOptions(), begun).objective == Objective(block_noise=True)
    assert not Objective(block_noise=True).blind
    assert Objective().blind


TODAY = {
    "network": "tiny", "tuples": 8, "reach": 2, "predict": None, "block": None,
    "block_noise": False,
}  # fmt: skip


@pytest.mark.parametrize("begun", [{}, {"objective": TODAY}])
def test_new_runs_are_left_alone(begun: dict[str, object]) -> None:
    assert as_today(begun) == begun
    assert going_on(TextOptions(), begun) == TextOptions()


def test_only_tiny_networks_of_bits_learn_at_twice_the_rate() -> None:
    assert TextOptions().rate == 2 * RATE
    small, masked = TextOptions(objective=Objective(network="small")), TextOptions(method="masked")
    assert {small.rate, masked.rate, TextOptions(clusters=4).rate} == {RATE}


def test_defaults_suit_the_network() -> None:
    new, published = Objective(), Objective(network="cobit-s")
    assert (new.book, new.cost) == ("semantic", "groups")
    assert (published.book, published.cost) == ("binary", "edm")
    assert not preset("cobit-s").tuples
    assert not preset("cobit-m").reach
    # Whole tokens need no code book, so none is asked for.
    assert TextOptions(method="masked").codes == "binary"


def test_an_old_run_is_opened_with_its_network(
    train_as: Callable[..., Path], tmp_path: Path
) -> None:
    """A run of the old kind, its config.json written as it was then."""
    options = ("--network", "linear-patch", "--codes", "binary", "--loss", "edm")
    run = of_first_release(train_as("patch", *options), tmp_path / "old")
    settings = json.loads((run / "config.json").read_text())
    objective = settings["objective"]
    for new in ("tuples", "tuple_bits", "group_bits", "reach", "predict", "block", "block_noise"):
        del objective[new]
    objective["network"] = "tiny"
    (run / "config.json").write_text(json.dumps(settings))
    assert isinstance(opened(run).denoiser.network, BitTransformer)  # type: ignore[union-attr]


def test_a_new_run_has_a_network_of_tuples(trained: Path) -> None:
    assert isinstance(opened(trained).denoiser.network, TupleTransformer)  # type: ignore[union-attr]
