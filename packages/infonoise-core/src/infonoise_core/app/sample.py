"""The verb `sample` of every domain."""

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.options import SampleOptions
from infonoise_core.app.trained import open_trained


def run_sample(domain: Domain[Data, Options], command: SampleOptions) -> None:
    """Open the run and let the domain write samples, all or none."""
    domain.check_out(command)
    run = open_trained(domain, command.run, command.sampler.device)
    print(domain.generate(run, command))
