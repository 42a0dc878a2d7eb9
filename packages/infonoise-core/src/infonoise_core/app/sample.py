"""The verb `sample` of every domain."""

from dataclasses import replace
from typing import Any

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.options import SampleOptions
from infonoise_core.app.trained import open_trained
from infonoise_core.evaluation.processes import spread, written_once


def run_sample(domain: Domain[Data, Options], command: SampleOptions) -> None:
    """Open the run and let the domain write samples, all or none."""
    path, device = command.run, command.sampler.device
    with spread(device) as ranks, written_once(command.out, ranks.rank) as out:
        ranks.share(lambda: domain.check_out(command))
        run = ranks.agree(
            lambda: (
                domain.other_model(path, device)
                or open_trained(domain, path, device, command.checkpoint, command.weights)
            ),
            lambda run: {"step": run.step},
        )
        own: Any = {"out": out}
        print(domain.generate(run, command if ranks.rank == 0 else replace(command, **own)))
