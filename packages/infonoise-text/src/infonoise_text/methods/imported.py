"""A release of CoBit as a model of ours: its network, its tokenizer, and what it was trained on."""

from pathlib import Path
from typing import Any

from infonoise_core.app.domain import Domain
from infonoise_core.app.imported import write_imported
from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_text.codes.book import binary_codes
from infonoise_text.data.corpus import Corpus
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.options import Objective, TextOptions
from infonoise_text.models.cobit import load_release
from infonoise_text.models.config import TrunkConfig, sdt_name
from infonoise_text.models.sdt import SDTConfig, SDTDenoiser
from infonoise_text.tokenizers.load import load_tokenizer


def import_release(
    domain: Domain[Corpus, TextOptions],
    source: Path,
    out: Path,
    tokenizer: str,
    length: int,
    heads: int | None = None,
    profile: Path | None = None,
    *,
    overwrite: bool = False,
) -> SDTDenoiser:
    """Write the folder of a release; returns its denoiser.

    Args:
        domain: Text.
        source: The release's file.
        out: The folder.
        tokenizer: As `load_tokenizer` takes it.
        length: Tokens of a window.
        heads: Of attention, where they are not of 64 channels.
        profile: A profile of the model that goes along.
        overwrite: Replace what an earlier import left.
    """
    denoiser = load_release(source, heads)
    config: SDTConfig = denoiser.network.config  # type: ignore[assignment]
    found = load_tokenizer(tokenizer)
    book = binary_codes(found.size, found.unknown)
    if book.bits != config.bits:
        raise InputError(
            f"--tokenizer {tokenizer}: {found.size:,} tokens need {book.bits} bits, and {source}"
            f" has {config.bits} each; give the tokenizer that it was trained with"
        )
    trunk = TrunkConfig(
        config.width, config.blocks, config.heads, shared=False,
        sdt=(config.hidden, config.content, config.head),
    )  # fmt: skip
    objective = Objective(length=length, network=sdt_name(trunk), codes="binary", infill=0.0)
    summary: dict[str, Any] = {
        "name": source.stem, "tokenizer": found.name, "tokenizer_digest": found.digest,
        "vocabulary": found.size, "train": 0,
    }  # fmt: skip
    write_imported(
        domain, out, TextOptions(objective=objective), summary, denoiser,
        f"GBATZOLIS/BitstreamDiffusion, {source.name}",
        profile=None if profile is None else EntropyRateProfile.load(profile),
        save_assets=Assets(found, book).save, overwrite=overwrite,
    )  # fmt: skip
    return denoiser
