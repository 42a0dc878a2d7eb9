"""`infonoise-text import`: a release of CoBit as a folder that every verb takes."""

from infonoise_core.training.artifact import check_out
from infonoise_text.interface import INTERFACE
from infonoise_text.methods.imported import import_release
from infonoise_text.options import Import


def run_import(config: Import) -> None:
    """Write config.out and say what is in it."""
    check_out(config.out, overwrite=config.overwrite)
    denoiser = import_release(
        INTERFACE.load(), config.source, config.out, config.tokenizer, config.length,
        config.heads, config.profile, overwrite=config.overwrite,
    )  # fmt: skip
    size = sum(parameter.numel() for parameter in denoiser.parameters())
    print(f"{config.out}: {size:,} parameters, tokens of {denoiser.bits} bits")
    if config.profile is None:
        print("without a profile: sample with --grid karras")
