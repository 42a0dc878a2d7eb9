"""CoBit's released network against its own numbers, its null belief, and its rule for levels."""

import json

import numpy as np
import pytest
import torch
from tests.conftest import DATA

from infonoise_core import InputError, solve
from infonoise_core.sampling.solvers import SOLVERS
from infonoise_text.cli import main
from infonoise_text.domain import TextDomain
from infonoise_text.interface import INTERFACE
from infonoise_text.methods.imported import import_release
from infonoise_text.methods.options import Objective, TextOptions
from infonoise_text.models.cobit import load_release
from infonoise_text.models.config import preset, sdt_name
from infonoise_text.models.sdt import SDT, SDTConfig, SDTDenoiser, make_sdt
from infonoise_text.sampling.cobit import cobit_grid
from infonoise_text.sampling.text import Calls

FOLDER = DATA / "pretrained" / "cobit"
TINY = SDTConfig(bits=3, width=16, blocks=1, heads=2, hidden=10, content=4, head=6)


@pytest.fixture(scope="module")
def vectors():
    with np.load(FOLDER / "expected.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}


def released(name="release.pt"):
    return load_release(FOLDER / name, heads=2).eval()


@pytest.mark.data
@pytest.mark.parametrize("name", ["release.pt", "release.safetensors"])
def test_logits_and_probabilities_of_the_release(name, vectors):
    denoiser = released(name)
    assert denoiser.bits == json.loads((FOLDER / "architecture.json").read_text())["patch_size"]
    x, sigma = vectors["x"].reshape(6, 8, 6), vectors["sigma"]
    for key, previous in (
        ("zero", None),
        ("zero", torch.zeros_like(x)),
        ("none", torch.full_like(x, 0.5)),
        ("half", torch.full_like(x, 0.5)),
        ("given", vectors["previous"].reshape(x.shape)),
    ):
        with torch.no_grad():
            logits = denoiser.logits(
                x, sigma, **({} if previous is None else {"previous": previous})
            )
            probability = denoiser(x, sigma, previous=previous)
        # Float32 on both sides: 2e-6 of up to 30 was measured, in the specification too.
        torch.testing.assert_close(logits.flatten(1), vectors[f"logits_{key}"], rtol=0, atol=4e-6)
        torch.testing.assert_close(
            probability.flatten(1), vectors[f"probability_{key}"], rtol=0, atol=1e-6
        )


@pytest.mark.data
def test_a_trajectory_with_carried_belief(vectors):
    calls = Calls(released(), 8, 1.0, True, SOLVERS["euler"])
    start = vectors["trajectory_start"].reshape(4, 8, 6)
    levels = vectors["trajectory_grid"].double()
    with torch.no_grad():
        made = solve(calls, start, levels, calls.start)
    # The last step, to 0, is D at the last level.
    found = made.x.flatten(1)
    torch.testing.assert_close(found, vectors["trajectory_probability"], rtol=0, atol=5e-6)
    assert bool(((found > 0.5) == vectors["trajectory_bits"]).all())


@pytest.mark.data
@pytest.mark.parametrize("table", ["lm1b", "owt", "owt_medium"])
@pytest.mark.parametrize("n", [16, 255])
def test_levels_by_the_release_s_rule(table, n):
    with np.load(FOLDER / "entropy-tables.npz") as file:
        cdf, sigmas = (torch.from_numpy(file[f"{table}_{name}"]) for name in ("cdf", "sigmas"))
        expected = torch.from_numpy(file[f"{table}_grid{n}"]).float()
    expected = expected.sort(descending=True).values
    # Both are rounded to float32.
    torch.testing.assert_close(cobit_grid(cdf, sigmas, n), expected, rtol=1e-6, atol=0)


@pytest.mark.data
def test_checkpoints_of_its_training_open_with_their_averages(tmp_path, vectors):
    model = torch.load(FOLDER / "release.pt", weights_only=True)["model"]
    shadow = {name: value for name, value in model.items() if name != "time_fn._freq"}
    raw = {f"_orig_mod.module.{name}": torch.zeros_like(value) for name, value in model.items()}
    raw["_orig_mod.module.time_fn._freq"] = model["time_fn._freq"]
    path = tmp_path / "step.pt"
    torch.save({"model": raw, "ema": {"shadow": shadow}, "global_step": 3}, path)
    x = vectors["x"].reshape(6, 8, 6)
    with torch.no_grad():
        found = load_release(path, 2).eval()(x, vectors["sigma"])
        torch.testing.assert_close(found, released()(x, vectors["sigma"]), rtol=0, atol=0)


@pytest.mark.data
def test_what_is_no_release(tmp_path):
    for content, words in ((b"no weights", "cannot be read as weights"), (b"", "cannot be read")):
        path = tmp_path / "x.pt"
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            load_release(path)
    torch.save({"model": {"a.weight": torch.zeros(2)}}, tmp_path / "x.pt")
    with pytest.raises(InputError, match="are not those of CoBit's network"):
        load_release(tmp_path / "x.pt")
    model = torch.load(FOLDER / "release.pt", weights_only=True)["model"]
    torch.save({"model": {**model, "patch_proj.weight": torch.zeros(32, 5)}}, tmp_path / "x.pt")
    with pytest.raises(InputError, match="are not those of CoBit's network"):
        load_release(tmp_path / "x.pt", 2)
    with pytest.raises(InputError, match="give other --heads"):
        load_release(FOLDER / "release.pt", 5)
    with pytest.raises(InputError, match="no such file"):
        load_release(tmp_path / "none.pt")


def test_before_training_it_adds_nothing_and_given_tokens_stand():
    denoiser = SDTDenoiser(SDT(TINY)).eval()
    x, sigma = torch.randn(2, 5, 3), torch.tensor([0.3, 2.0])
    with torch.no_grad():
        plain = denoiser(x, sigma)
        expected = ((x - 0.5) / sigma.square()[:, None, None]).clamp(-30, 30).sigmoid()
        torch.testing.assert_close(plain, expected)
        known = torch.tensor([[True, False, False, False, False]]).expand(2, 5)
        clean = torch.ones(2, 5, 3)
        filled = denoiser(x, sigma, known=known, clean=clean)
    assert bool((filled[:, 0] == 1).all())
    torch.testing.assert_close(filled[:, 1:], expected[:, 1:])


def test_its_name_has_its_sizes():
    sizes = preset("sdt:16:1:2:10:4:6")
    assert sdt_name(sizes) == "sdt:16:1:2:10:4:6"
    assert make_sdt(3, sizes, seed=0).network.config == TINY
    assert preset("sdt").sdt == (2048, 64, 128)
    # Its training's null belief is 0, that of our networks 1/2.
    assert SDTDenoiser.no_belief == 0.0
    with pytest.raises(InputError, match="no such size"):
        preset("sdt:16:1")
    with pytest.raises(InputError, match="a network of bits alone"):
        TextOptions(method="masked", objective=Objective(network="sdt"))


@pytest.mark.data
def test_an_imported_release_is_a_run_to_every_verb(tmp_path, capsys):
    tokenizers = pytest.importorskip("tokenizers")
    words = {f"w{i}": i for i in range(64)}
    model = tokenizers.models.WordLevel(words, unk_token="w0")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_str())
    out = tmp_path / "model"
    command = ["import", str(FOLDER / "release.pt"), str(out), "--tokenizer", str(path)]
    assert main([*command, "--length", "8", "--heads", "2"]) == 0
    assert "60,121 parameters, tokens of 6 bits" in capsys.readouterr().out
    sample = ["sample", str(out), "--samples", "2", "--steps", "3", "--grid", "karras"]
    assert main(sample) == 0
    assert "w" in capsys.readouterr().out
    assert main([*command, "--heads", "2"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    few = tmp_path / "few.json"
    few.write_text(tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, "a")).to_str())
    with pytest.raises(InputError, match="give the tokenizer that it was trained with"):
        import_release(
            TextDomain(INTERFACE), FOLDER / "release.pt", tmp_path / "b", str(few), 8, heads=2
        )
    assert not (tmp_path / "b").exists()
