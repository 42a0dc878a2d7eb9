"""The verb `sample` of every domain."""

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.options import SampleOptions
from infonoise_core.app.trained import open_trained


def run_sample(domain: Domain[Data, Options], command: SampleOptions) -> None:
    """Open the run and let the domain write samples, all or none."""
    domain.check_out(command)
    path, device = command.run, command.sampler.device
    run = domain.other_model(path, device) or open_trained(
        domain, path, device, command.checkpoint, command.weights
    )
    print(domain.generate(run, command))
