"""A model that was trained elsewhere, as a folder that every verb takes in place of a run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.options import TrainOptions
from infonoise_core.app.train import settings_of_run
from infonoise_core.app.trained import open_trained
from infonoise_core.files import write_json
from infonoise_core.folders.names import CONFIG_FILE, DONE_FILE, PROFILE_FILE
from infonoise_core.hub.model_card import model_card
from infonoise_core.hub.push import profile_words, versions_with
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training.artifact import README_FILE, WEIGHTS_FILE, new_folder, seal
from infonoise_core.training.engines.base import count_parameters


def write_imported(
    domain: Domain[Data, Options],
    out: Path,
    options: Options,
    summary: Mapping[str, Any],
    denoiser: nn.Module,
    source: str,
    *,
    model_settings: Mapping[str, Any] | None = None,
    profile: EntropyRateProfile | None = None,
    save_assets: Callable[[Path], None] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a model's folder, whole or not at all, and see that it opens.

    Args:
        domain: Of the model.
        out: The folder.
        options: What a run of ours with this network would have been given.
        summary: What config.json says of the data, as far as it is known.
        denoiser: With its weights.
        source: Where the model is from, in a few words.
        model_settings: Further settings that `Domain.rebuild` reads.
        profile: Of the model, where it was measured.
        save_assets: Writes what else has to lie there.
        overwrite: Replace what an earlier import left.
    """
    command = TrainOptions(out=out, options=options, data=str(summary["name"]))
    # There is no fingerprint of the data, and it was no earlier release that kept none.
    known = {"digest": None, **summary}
    settings = settings_of_run(domain, command, known, dict(model_settings or {}))
    parameters = count_parameters(denoiser.parameters())
    with new_folder(out, overwrite=overwrite) as folder:
        write_json(folder / CONFIG_FILE, {**settings, "imported": source})
        weights = {
            name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
            for name, tensor in denoiser.state_dict().items()
        }
        save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        (folder / WEIGHTS_FILE).chmod((folder / CONFIG_FILE).stat().st_mode)
        write_json(folder / DONE_FILE, {"step": 0})
        if profile is not None:
            profile.save(folder / PROFILE_FILE)
        if save_assets is not None:
            save_assets(folder)
        about = {
            "data": str(summary["name"]),
            **domain.card(settings),
            "parameters": f"{parameters:,}",
            "trained by": source,
        }
        _seal(domain, folder, about, parameters, profile)
        open_trained(domain, folder, "cpu")


def _seal(
    domain: Domain[Data, Options],
    folder: Path,
    about: Mapping[str, str],
    parameters: int,
    profile: EntropyRateProfile | None,
) -> None:
    """Write the page and the card."""
    interface = domain.interface
    versions = versions_with({interface.program: interface.version})
    use = [f"{interface.program} {domain.use}"]
    page = model_card(interface.program, dict(about), {}, 0, profile, versions, use, domain.tags)
    (folder / README_FILE).write_text(page, encoding="utf-8")
    words = None if profile is None else profile_words(profile)
    more = {"versions": versions, "step": 0, "parameters": parameters, "about": dict(about)}
    seal(folder, "model", interface.program, {**more, "measures": {}, "profile": words})
