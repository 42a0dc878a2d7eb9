"""The verbs `push` and `pull`: to and from a folder or the hub, and what they do to a profile.

Needs no more than `infonoise` itself, so that a profile travels without what trains networks.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import infonoise_core
from infonoise_core.errors import InputError
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.hub.model_card import finite, profile_card
from infonoise_core.hub.options import PullProfile, PushProfile
from infonoise_core.hub.repository import repository
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training.artifact import (
    CARD_FILE,
    README_FILE,
    Card,
    new_folder,
    read_card,
    seal,
    verify,
)

_CORE = "infonoise-core"


def run_push_profile(config: PushProfile) -> None:
    """Write profile.json, card.json and README.md, all or nothing."""
    path = config.profile / PROFILE_FILE if config.profile.is_dir() else config.profile
    profile = EntropyRateProfile.load(path)
    versions = versions_with({})

    def fill(folder: Path) -> None:
        profile.save(folder / PROFILE_FILE)
        commands = [
            *ways_to_get(config.target, "infonoise", "profile.json"),
            "infonoise plot profile.json --out profile.svg",
        ]
        (folder / README_FILE).write_text(
            profile_card(profile, versions, commands), encoding="utf-8"
        )
        about = {"versions": versions, "profile": profile_words(profile)}
        seal(folder, "profile", "infonoise", about)

    print(deliver(config.target, fill, _CORE, private=config.private, overwrite=config.overwrite))


def run_pull_profile(config: PullProfile) -> None:
    """Write the profile, whole or not at all."""
    out = config.out
    if out.is_dir():
        raise InputError(f"--out {out} is a folder: give a file name")
    if out.exists() and not config.overwrite:
        raise InputError(f"--out {out} exists: give another name or --overwrite")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        card, origin = fetch(config.source, folder, _CORE, only=(PROFILE_FILE,))
        if PROFILE_FILE not in card["files"]:
            raise InputError(f"{origin}: no profile there; its run had measured none")
        profile = EntropyRateProfile.load(folder / PROFILE_FILE)
    out.parent.mkdir(parents=True, exist_ok=True)
    profile.save(out)
    print(f"{out}: written, from {origin}")


def deliver(
    target: str, fill: Callable[[Path], None], package: str, *, private: bool, overwrite: bool
) -> str:
    """Let `fill` write a folder and bring it to the target, whole or not at all.

    Args:
        package: See `repository`.

    Returns:
        A line about where it is.

    Raises:
        InputError: Before anything is computed where the target is not free.
    """
    repo = repository(target, package)
    if repo is None:
        if private:
            raise InputError("--private is for the hub; leave it out, or give hf:OWNER/NAME")
        with new_folder(Path(target), overwrite=overwrite) as folder:
            fill(folder)
        return f"{target}: written"
    repo.check(overwrite=overwrite)
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name))
        address = repo.upload(Path(name), "Push with infonoise", private=private)
    return f"{repo}: pushed to {address}"


def fetch(
    source: str, folder: Path, package: str, only: Sequence[str] | None = None
) -> tuple[Card, str]:
    """Bring a shared folder's files into `folder`, checked; its card, and where it came from.

    Args:
        only: Names of files that are wanted; None for all of them.
    """
    repo = repository(source, package)
    if repo is not None:
        repo = repo.download(folder, [CARD_FILE, README_FILE])
        card = read_card(folder, str(repo))
        repo.download(folder, _wanted(card, only))
        # What huggingface_hub notes for itself in a folder that it writes into.
        shutil.rmtree(folder / ".cache", ignore_errors=True)
    else:
        card = read_card(Path(source))
        for name in (CARD_FILE, README_FILE, *_wanted(card, only)):
            if (Path(source) / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(Path(source) / name, folder / name)
    origin = source if repo is None else str(repo)
    verify(folder, {**card, "files": {k: card["files"][k] for k in _wanted(card, only)}}, origin)
    return card, origin


def ways_to_get(target: str, program: str, out: str) -> list[str]:
    """Commands that install the program and pull `out` from a target.

    A folder's path is of one machine: it is called FOLDER.
    """
    extras = [] if repository(target, program) is None else ["hub"]
    package = program
    if program == "infonoise":
        package, extras = _CORE, ["cli", "plot", *extras]
    wish = f"'{package}[{','.join(extras)}]'" if extras else package
    source = target if "hub" in extras else "FOLDER"
    return [f"pip install {wish}", f"{program} pull {source} --out {out}"]


def profile_words(profile: EntropyRateProfile) -> dict[str, Any]:
    """What card.json says of a profile, in nats per example."""
    return finite(
        {
            "sigma_min": float(profile.edges[0]),
            "sigma_max": float(profile.edges[-1]),
            "entropy": profile.entropy(),
            "entropy_stderr": profile.entropy_stderr(),
            "dim": profile.dim,
        }
    )


def versions_with(packages: Mapping[str, str]) -> dict[str, str]:
    """Package -> version, with those of core and torch."""
    core = {_CORE: infonoise_core.__version__, "torch": torch.__version__}
    return {**packages, **core}


def _wanted(card: Card, only: Sequence[str] | None) -> list[str]:
    return [name for name in card["files"] if only is None or name in only]
