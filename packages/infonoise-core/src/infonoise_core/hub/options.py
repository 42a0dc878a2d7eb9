"""The options of push and pull."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True)
class Push:
    """Share a trained model: its averaged weights, settings and profile, and a page about them."""

    run: Positional[Path]
    """the --out of a train command, or of a pull"""
    target: Positional[str]
    """a new folder, or hf:OWNER/NAME for the Hugging Face hub (extra hub)"""
    private: bool = False
    """hf: let only its owner see a repository that is new"""
    adapters: bool = False
    """of a run with --lora: its adapters alone, too, as peft reads them, in the folder adapters"""
    overwrite: bool = False
    """replace what an earlier push left at the target"""


@dataclass(frozen=True)
class Pull:
    """Fetch a model that was pushed; the other commands take its folder in place of a run."""

    source: Positional[str]
    """a folder, or hf:OWNER/NAME, hf:OWNER/NAME@REVISION (extra hub)"""
    out: Path
    """folder to make"""
    overwrite: bool = False
    """replace what an earlier pull left in --out"""


@dataclass(frozen=True)
class PushProfile:
    """Share a measured profile with its error bars, alone."""

    profile: Positional[Path]
    """a profile that was saved, or the folder of a run"""
    target: Positional[str]
    """a new folder, or hf:OWNER/NAME for the Hugging Face hub (extra hub)"""
    private: bool = False
    """hf: let only its owner see a repository that is new"""
    overwrite: bool = False
    """replace what an earlier push left at the target"""


@dataclass(frozen=True)
class PullProfile:
    """Fetch a profile that was pushed, alone or with its model."""

    source: Positional[str]
    """a folder, or hf:OWNER/NAME, hf:OWNER/NAME@REVISION (extra hub)"""
    out: Path
    """file to write, such as profile.json"""
    overwrite: bool = False
    """replace the file --out"""
