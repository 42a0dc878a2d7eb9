"""A run with clusters from the command line: what it leaves, and every verb that reads it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_text.codes.book import CodeBook
from infonoise_text.codes.clusters import ClusterBook

from ...command_line import STEPS, opened, run, without_profiles

# Shorter windows than those of QUICK: of an option given twice, the second counts.
SHORT = ["--length", "8"]


@pytest.fixture(scope="module")
def clustered(train_as: Callable[..., Path]) -> Path:
    return train_as("clustered", *SHORT, "--clusters", "16")


@pytest.fixture(scope="module")
def edm(train_as: Callable[..., Path]) -> Path:
    return train_as("edm", *SHORT, "--clusters", "8", "--schedule", "edm")


@pytest.fixture(scope="module")
def fixed(edm: Path) -> Path:
    """The same as the first releases left it, without profiles."""
    return without_profiles(edm, edm.parent / "fixed")


@pytest.fixture(scope="module")
def plain(train_as: Callable[..., Path]) -> Path:
    return train_as("plain", *SHORT)


def test_a_run_keeps_both_profiles_and_its_clusters(clustered: Path) -> None:
    dims = {"profile.json": 8 * 9, "clusters-profile.json": 8 * 4}
    for name, dim in dims.items():
        assert EntropyRateProfile.load(clustered / name).dim == dim
    found = opened(clustered)
    assert isinstance(found.method.codes, ClusterBook)
    assert found.method.codes.widths == (4, 9)
    assert [profile is not None for profile in found.profiles] == [True, True]
    tree = CodeBook.load(clustered / "clusters.safetensors", found.tokenizer.digest)
    assert tree.name == "semantic"
    lines = [json.loads(line) for line in (clustered / "metrics.jsonl").read_text().splitlines()]
    told = [line["schedule"] for line in lines if "schedule" in line]
    assert told[-1].startswith("clusters ")
    assert "; tokens " in told[-1]
    done = json.loads((clustered / "done.json").read_text())
    # Untrained, a token costs its 9 bits and the 4 of its cluster.
    assert 5 < done["nats_per_token"] < 9.2


def test_text_from_nothing_behind_a_prompt_and_into_gaps(clustered: Path, capsys: Any) -> None:
    code, first, err = run(capsys, "sample", clustered, "--n", "2", *STEPS)
    assert code == 0, err
    assert "2 texts of 8 tokens, 5 denoiser calls each" in err
    assert run(capsys, "sample", clustered, "--n", "2", *STEPS)[1] == first
    led = run(capsys, "sample", clustered, "--n", "2", *STEPS, "--lead", "0.5", "--churn", "0.3")
    assert led[0] == 0
    assert led[1] != first
    code, printed, _ = run(capsys, "complete", clustered, "The class", "--n", "2", *STEPS)
    assert code == 0
    assert all(text.startswith("The class") for text in printed.split("-----\n")[1:])
    code, printed, _ = run(
        capsys, "infill", clustered, "a ___ b", "--n", "2", *STEPS, "--guidance", "2"
    )
    assert code == 0
    for text in printed.split("-----\n")[1:]:
        assert text.startswith("a ")
        assert text.endswith(" b\n")


def test_evaluate_adds_the_bound_along_other_paths(
    clustered: Path, plain: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "e.json"
    code, _, err = run(
        capsys, "evaluate", clustered, "--windows", "6", "--n", "2", *STEPS, "--churns", "0.1",
        "--lead", "0.3", "--beside", plain, "--out", out,
    )  # fmt: skip
    assert code == 0, err
    results = json.loads(out.read_text())
    bits, generated = results["tables"]
    assert [row["name"] for row in bits["rows"]][:7] == [
        "clustered (bits, one pass)", "clustered (bits, two passes)",
        "clustered (bits, two passes, as sampled)",
        "clustered (bits, two passes, clusters not given)",
        "plain (bits, one pass)", "plain (bits, two passes)", "plain (bits, blocks of 1)",
    ]  # fmt: skip
    assert generated["rows"][1]["name"] == "churn 0.1"
    assert generated["rows"][1]["values"]["calls"] == 5


def test_profile_tells_of_both(clustered: Path, tmp_path: Path, capsys: Any) -> None:
    picture = tmp_path / "p.svg"
    code, printed, err = run(capsys, "profile", clustered, "--out", picture)
    assert code == 0, err
    tokens, clusters = printed.split("clusters\n")
    assert tokens.startswith("tokens\nentropy ")
    assert clusters.startswith("entropy ")
    assert picture.read_text().startswith("<?xml")
    save = tmp_path / "p.json"
    by = ("--by", "bit", "--windows", "4", "--save", save)
    assert run(capsys, "profile", clustered, *by)[0] == 0
    names = list(EntropyRateProfile.load(save).groups)
    assert names == [
        *(f"cluster bit {i}" for i in range(1, 5)),
        *(f"bit {i}" for i in range(1, 10)),
    ]


def test_what_is_shared_of_it_speaks_as_it_does(
    clustered: Path, tmp_path: Path, capsys: Any
) -> None:
    """Clusters and their profile go along."""
    shared, pulled = tmp_path / "shared", tmp_path / "pulled"
    assert run(capsys, "push", clustered, shared)[0] == 0
    assert run(capsys, "pull", shared, "--out", pulled)[0] == 0
    texts = [run(capsys, "sample", r, "--n", "1", *STEPS)[1] for r in (clustered, pulled)]
    assert texts[0] == texts[1]


def test_both_profiles_are_measured_whatever_schedule_draws(edm: Path, capsys: Any) -> None:
    dims = {"profile.json": 8 * 9, "clusters-profile.json": 8 * 3}
    for name, dim in dims.items():
        profile = EntropyRateProfile.load(edm / name)
        assert profile.dim == dim
        assert profile.entropy() > 0
    assert run(capsys, "sample", edm, "--n", "1", *STEPS)[0] == 0


def test_without_profiles_a_plain_grid_is_needed(fixed: Path, capsys: Any) -> None:
    assert not list(fixed.glob("*profile.json"))
    code, _, err = run(capsys, "sample", fixed, *STEPS)
    assert code == 2
    assert "--grid entropic needs a profile and there is none" in err
    assert run(capsys, "sample", fixed, "--n", "1", *STEPS, "--grid", "karras")[0] == 0
    code, _, err = run(capsys, "evaluate", fixed, "--windows", "4", "--n", "0", "--beside", fixed)
    assert code == 0, err
    (bits,) = json.loads((fixed / "evaluation.json").read_text())["tables"]
    rows = [row["name"] for row in bits["rows"]]
    assert "fixed (bits, two passes, clusters not given)" in rows
    assert not [name for name in rows if "as sampled" in name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "{corpus}", "--out", "o", "--clusters", "12"], "--clusters 12: give a power"),
        (["train", "{corpus}", "--out", "o", "--clusters", "512"], "from 2 to 256"),
        (
            ["train", "{corpus}", "--out", "o", "--clusters", "4", "--method", "masked"],
            "--clusters 4 with --method masked: only bits have clusters",
        ),
        (["sample", "{clustered}", "--solver", "heun"], "euler alone"),
        (["evaluate", "{clustered}", "--solver", "heun"], "euler alone"),
        (["sample", "{clustered}", "--lead", "2"], "--lead 2: give a share"),
        (["sample", "{plain}", "--lead", "0.5"], "was trained without --clusters"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    message: str,
    clustered: Path,
    plain: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"clustered": clustered, "plain": plain, "corpus": corpus}
    code, _, err = run(capsys, *(a.format(**places) for a in arguments))
    assert code == 2, err
    last = err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not list(tmp_path.iterdir())
