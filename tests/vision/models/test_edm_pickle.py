"""EDM's networks against EDM's own numbers, and what their files must say to be taken."""

import json
import math

import numpy as np
import pytest
import torch
from tests.conftest import DATA

from infonoise_core import EDMDenoiser, InputError
from infonoise_core.pickle_machine import Refused
from infonoise_core.pickles import Stored
from infonoise_vision.cli import main
from infonoise_vision.domain import open_run
from infonoise_vision.models.edm_pickle import import_edm, our_weights, sizes_of
from infonoise_vision.models.options import Sizes, parse_sizes
from infonoise_vision.models.registry import Inputs, make_network

FOLDER = DATA / "pretrained"
PICKLES = ("edm-ddpmpp-label-augment", "edm-ddpmpp-plain", "edm-adm-label", "edm-ncsnpp")


def expected(name):
    with np.load(FOLDER / name / "expected.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}


def check(denoiser, name, classes):
    """D against the vectors, whatever is given."""
    vectors = expected(name)
    compared = 0
    for key in (key for key in vectors if key.startswith("D_")):
        given = {}
        if classes:
            none = torch.full((6,), classes)
            given["label"] = vectors["label"] if "label" in key else none
        if "augment" in key:
            given["augment"] = vectors["augment"]
        with torch.no_grad():
            found = denoiser.eval()(vectors["x"], vectors["sigma"], **given)
        # README: float32 on both sides; D is below 2 and its rounding 1e-7 an operation. NCSN++ has
        # angles of some 100 radians: its vectors are 1.8e-6 from float64, and ours 0.5e-6.
        close = 3e-6 if name == "edm-ncsnpp" else 2e-6
        torch.testing.assert_close(found, vectors[key], rtol=0, atol=close)
        compared += 1
    return compared


@pytest.mark.data
@pytest.mark.parametrize("name", PICKLES)
def test_pickles_give_edm_s_numbers(name):
    model = import_edm(FOLDER / name / "network-snapshot.pkl")
    assert check(model.denoiser, name, model.classes) >= 1
    # The raw network in float64, of which angles and attention are still float32.
    vectors = expected(name)
    network = model.denoiser.network.double()
    x, sigma = vectors["x"].double(), vectors["sigma"].double()
    c_in = (sigma.square() + 0.25).rsqrt()[:, None, None, None]
    given = {"label": torch.full((6,), model.classes)} if model.classes else {}
    with torch.no_grad():
        raw = network(c_in * x, sigma.log() / 4, **given)
    # Angles of NCSN++ reach 300, of which float32 keeps 1.5e-5; those of the others reach 1.
    rough = 2e-5 if name == "edm-ncsnpp" else 1e-6
    torch.testing.assert_close(raw, vectors["F64_plain"].double(), rtol=0, atol=rough)


@pytest.mark.data
def test_heads_of_64_channels_by_weights_of_the_rule():
    folder = FOLDER / "edm-adm-attention"
    about = json.loads((folder / "weights.json").read_text())
    weights = {}
    for i, (name, shape) in enumerate(about["parameters"]):
        values = np.random.default_rng([about["seed"], i]).standard_normal(shape, dtype=np.float32)
        if len(shape) >= 2:
            values /= np.sqrt(np.float32(math.prod(shape[1:])))
        else:
            values *= np.float32(0.1)
            if "norm" in name and name.endswith("weight"):
                values += 1
        weights[name.removeprefix("model.")] = torch.from_numpy(values)
    sizes = sizes_of(about["init_kwargs"])
    assert sizes == Sizes("adm", 32, (2, 4), 1, (4, 2))
    network = make_network(sizes.name, Inputs((2, 4, 4), 3, 9))
    network.load_state_dict(dict(our_weights(weights, sizes, 3)))
    assert check(EDMDenoiser(network), folder.name, 3) >= 1


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"model_type": "SongUNet"}, "ddpmpp:128:2-2-2:4:16"),
        ({}, "adm:192:1-2-3-4:3:32-16-8"),
        (
            {
                "model_type": "SongUNet", "embedding_type": "fourier", "encoder_type": "residual",
                "channel_mult_noise": 2, "resample_filter": [1, 3, 3, 1], "model_channels": 16,
                "attn_resolutions": [],
            },
            "ncsnpp:16:2-2-2:4:0",
        ),
    ],
)  # fmt: skip
def test_sizes_by_edm_s_arguments(given, name):
    assert sizes_of(given).name == name
    assert parse_sizes(name) == sizes_of(given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model_type": "VPNet"}, "its network is VPNet"),
        ({"model_type": "SongUNet", "encoder_type": "skip"}, "neither DDPM"),
        ({"model_type": "SongUNet", "decoder_type": "skip"}, "neither DDPM"),
        ({"channel_mult_emb": 2}, "its channel_mult_emb is 2, not 4"),
    ],
)
def test_other_networks_are_refused(given, words):
    with pytest.raises(Refused, match=words):
        sizes_of(given)


@pytest.mark.parametrize("name", ["ddpmpp:8", "ddpmpp:8:1-2:1", "unet:8:1:1:0", "adm:8:1--2:1:4"])
def test_names_with_sizes_that_are_none(name):
    assert parse_sizes(name) is None


@pytest.mark.data
def test_sizes_beyond_the_weights_are_refused_before_anything_is_made(monkeypatch, tmp_path):
    from infonoise_vision.models import edm_pickle

    path = FOLDER / "edm-ddpmpp-plain" / "network-snapshot.pkl"
    found = edm_pickle.read_networks(path)
    for change, words in (
        ({"model_channels": 4096}, "not those of its sizes|far larger than its weights"),
        ({"num_blocks": 999}, "not those of its sizes|far larger than its weights"),
        ({"img_channels": 3}, "not those of its sizes"),
        ({"augment_dim": 3}, "its augment label has 3 numbers"),
    ):
        state = {**found["ema"].state}
        state["_init_kwargs"] = {**state["_init_kwargs"], **change}
        wrong = {"ema": Stored("EDMPrecond", state)}
        monkeypatch.setattr(edm_pickle, "read_networks", lambda _, wrong=wrong: wrong)
        with pytest.raises(InputError, match=words):
            import_edm(path)
    for wrong, words in (
        ({}, "holds no averaged network"),
        ({"ema": Stored("VPPrecond", found["ema"].state)}, "its preconditioning is VPPrecond"),
    ):
        monkeypatch.setattr(edm_pickle, "read_networks", lambda _, wrong=wrong: wrong)
        with pytest.raises(InputError, match=words):
            import_edm(path)


@pytest.mark.data
def test_an_imported_model_is_a_run_to_every_verb(tmp_path, capsys):
    model, out = tmp_path / "model", tmp_path / "images.png"
    path = FOLDER / "edm-ddpmpp-plain" / "network-snapshot.pkl"
    # Eight images of sixteen pixels a side of the digits, to have a profile of.
    assert main(["import", str(path), str(model), "--data", "digits"]) == 0
    assert "ddpmpp:8:1-1-1:2:8, " in capsys.readouterr().out
    assert check(open_run(model, "cpu").denoiser, "edm-ddpmpp-plain", 0)
    sample = ["sample", str(model), "--out", str(out), "--samples", "2", "--steps", "2"]
    assert main(sample) == 0
    pushed = tmp_path / "pushed"
    assert main(["push", str(model), str(pushed)]) == 0
    assert check(open_run(pushed, "cpu").denoiser, "edm-ddpmpp-plain", 0)
    assert "NVlabs/edm" in (pushed / "README.md").read_text()
    assert main(["import", str(path), str(model)]) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.data
def test_what_is_no_model_is_refused(tmp_path, capsys):
    for source, words in (
        (tmp_path, "is no folder that infonoise-vision export wrote"),
        (tmp_path / "none.pkl", "no such file"),
        (FOLDER / "README.md", "is no whole pickle|it uses"),
    ):
        assert main(["import", str(source), str(tmp_path / "model")]) == 2
        message = capsys.readouterr().err
        assert any(word in message for word in words.split("|"))
        assert not (tmp_path / "model").exists()
