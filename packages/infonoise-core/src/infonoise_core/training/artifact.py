"""What is shared of a run: a folder of plain files, and card.json with the checksum of each.

A model is `config.json` (the settings that rebuild the denoiser), `model.safetensors` (the averaged
weights, float32), `done.json` (the last measures), `profile.json` where one was measured, and what
the domain adds, such as a tokenizer. A profile alone is `profile.json`. `README.md` is for people:
it may be edited, so it has no checksum.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.files import read_json, whole_folder, write_json
from infonoise_core.reading import check_regular

FORMAT, VERSION = "infonoise-artefact", 1
CARD_FILE, README_FILE, WEIGHTS_FILE = "card.json", "README.md", "model.safetensors"

Kind = Literal["model", "profile"]
Card = dict[str, Any]

# An absolute path or one from the home inside a longer text, as in "profile:/home/me/p.json"; not
# the slashes of a URL.
_PATH_INSIDE = re.compile(r"(?<![\w./~])(?:~|[A-Za-z]:)?[\\/](?:[^\s,;:\\/]+[\\/])+")
# Settings that hold names from the data, which may look like paths.
_NAMES = ("classes", "numbers", "activities")


def is_artefact(folder: Path) -> bool:
    """Whether a push or a pull wrote this folder."""
    return (folder / CARD_FILE).is_file()


def seal(folder: Path, kind: Kind, program: str, about: Mapping[str, Any]) -> Card:
    """Write card.json about the files in `folder`; returns what it holds.

    Args:
        about: Plain values about the model or the profile.
    """
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (CARD_FILE, README_FILE)
    )
    card = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "program": program,
        **about,
        "files": {name: checksum(folder / name) for name in names},
    }
    write_json(folder / CARD_FILE, card)
    return card


def read_card(folder: Path, name: str | None = None) -> Card:
    """What card.json says; InputError where there is none or it is none of ours.

    Args:
        name: The folder's, for people.
    """
    name = name or str(folder)
    path = folder / CARD_FILE
    if not path.is_file():
        raise InputError(f"{name}: no {CARD_FILE} there; give what a push wrote")
    try:
        card: Card = read_json(path, "push it again")
        known, version, files = card["format"] == FORMAT, card["version"], dict(card["files"])
        kind = card["kind"] in ("model", "profile") and isinstance(card["program"], str)
    except (ValueError, KeyError, TypeError):
        known = kind = False
        version, files = None, {}
    if not (known and kind and all(map(_is_inside, files))):
        raise InputError(f"{name}: {CARD_FILE} is damaged, or not of infonoise; push it again")
    if version != VERSION:
        raise InputError(
            f"{name}: format version {version}, this program reads {VERSION}; use the release that"
            " wrote it"
        )
    return card


def verify(folder: Path, card: Card, name: str | None = None) -> None:
    """InputError unless every file of the card is there with the bytes that were pushed."""
    for file, expected in card["files"].items():
        path = folder / file
        check_regular(path)
        if not path.is_file():
            raise InputError(f"{name or folder}: {file} is missing; push or pull it again")
        if checksum(path) != expected:
            raise InputError(
                f"{name or folder}: {file} does not match its sha256 in {CARD_FILE}; push or pull"
                " it again"
            )


def load_weights(folder: Path, denoiser: nn.Module) -> int:
    """Put a shared model's weights into `denoiser`; returns its optimizer steps.

    Raises:
        InputError: For damaged weights, and for those of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    card = read_card(folder)
    if card["kind"] != "model" or WEIGHTS_FILE not in card["files"]:
        raise InputError(f"{folder}: holds a {card['kind']} without weights; give a model")
    verify(folder, card)
    try:
        denoiser.load_state_dict(load_file(folder / WEIGHTS_FILE))
        return int(card["step"])
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError):
        raise InputError(
            f"{folder}: {WEIGHTS_FILE} is not of the network in its settings; use"
            f" {written_by(card)}"
        ) from None


def written_by(card: Card) -> str:
    """The program and its version, as the card has them."""
    versions = card.get("versions")
    version = versions.get(card["program"]) if isinstance(versions, dict) else None
    return f"{card['program']} {version or '(version unknown)'}"


def check_out(out: Path, *, overwrite: bool) -> None:
    """InputError where `new_folder` would refuse; only what we wrote is ever replaced."""
    blocking = next((path for path in (out, *out.parents) if path.is_file()), None)
    if blocking is not None:
        raise InputError(f"{out}: {blocking} is a file; give another folder")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not is_artefact(out):
        raise InputError(f"{out}: is not empty, and no push or pull wrote it; give another folder")
    if not overwrite:
        raise InputError(f"{out} exists: give another folder or --overwrite")


@contextmanager
def new_folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder to write into, which becomes `out` when all went well and vanishes otherwise."""
    check_out(out, overwrite=overwrite)
    with whole_folder(out) as folder:
        yield folder


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_paths(value: Any) -> Any:
    """Plain values in which a path that only one machine knows is cut down to its last part."""
    match value:
        case str():
            return _without_path(value)
        case Mapping():
            return {k: v if k in _NAMES else without_paths(v) for k, v in value.items()}
        case list() | tuple():
            return [without_paths(v) for v in value]
        case _:
            return value


def _without_path(text: str) -> str:
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(text)
        if path.is_absolute() or path.parts[:1] in (("~",), ("..",)):
            return path.name
    return _PATH_INSIDE.sub("", text)


def _is_inside(name: str) -> bool:
    """Whether a file of a card lies in the card's folder: it may come from anyone."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not {"/", "..", "\\"} & set(parts) and not re.search(r"[\\:]", name)
