"""What a training loop reports: an output minus its target, or squared errors of x0."""

from collections.abc import Sequence

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.prediction import Prediction, named_prediction
from infonoise_core.profiles.estimator import RateEstimator
from infonoise_core.schedules.health import Health
from infonoise_core.schedules.table import TableLaw

# Reports that wait at most until they are read.
_ROOM = 2**14


def _captured(error: Tensor) -> bool:
    # A graph repeats its operations, and what counts reports here is none.
    return error.is_cuda and torch.cuda.is_current_stream_capturing()


class Reports:
    """Reads what `observe` is given: (n,) levels and squared x0-errors come out.

    Args:
        prediction: What the network predicts, by our name or diffusers'; None where squared errors
            of x0 are reported.
        sigma_data: Of EDM's preconditioning, for the prediction F.
        dim: Dimensions of an example; by None, with a prediction, the largest that was seen.
        groups: Into which squared errors are split.
    """

    def __init__(
        self,
        channel: Channel,
        prediction: Prediction | str | None,
        sigma_data: float | None,
        dim: int | None,
        groups: Sequence[str],
    ) -> None:
        self.channel = channel
        self.prediction = None if prediction is None else named_prediction(prediction)
        self.sigma_data = sigma_data
        self.dim = dim
        self._given = dim
        self._plain = self.prediction is None and not groups
        self._table, self._kept = torch.zeros(0, 2), 0
        self._kinds = (torch.float32, torch.float32, torch.device("cpu"))
        if self.prediction is not None and groups:
            raise InputError(
                "groups and a prediction: leave out the prediction, and report squared errors of x0"
                " split over the groups"
            )

    def keep(self, u: Tensor, error: Tensor) -> bool:
        """Keep (n,) levels and squared errors as they are, to be read later with many others.

        Keeping is a copy on their device; reading takes some forty operations, whatever the number.

        Returns:
            False where they have to be read at once, after those that were kept.
        """
        n = len(error) if self._plain and error.dim() == 1 and error.shape == u.shape else _ROOM
        if self._kept + n > _ROOM - 1 or u.device != error.device or _captured(error):
            return False
        kinds = (u.dtype, error.dtype, error.device)
        if self._kept and kinds != self._kinds:
            return False
        self._kinds = kinds
        if self._table.device != error.device or not len(self._table):
            wide = torch.float32 if error.device.type == "mps" else torch.float64
            self._table = torch.zeros(_ROOM, 2, device=error.device, dtype=wide)
        place = self._table[self._kept : self._kept + n]
        with torch.no_grad():
            torch.stack((u, error), 1, out=place)
        self._kept += n
        return True

    def kept(self) -> tuple[Tensor, Tensor] | None:
        """All levels (n,) and squared errors (n,) that were kept, which are then forgotten."""
        if not self._kept:
            return None
        u, error = self._table[: self._kept].unbind(1)
        self._kept = 0
        return u.to(self._kinds[0]), error.to(self._kinds[1])

    def read(self, u: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) sigma and squared x0-errors, (n, G) in groups, of what is reported at levels u.

        sigma is nan where u is no level of the channel's span.

        Args:
            u: (n,), also with further axes of length 1, as where it is multiplied with examples.
            error: (n, ...) output minus target where there is a prediction, else squared errors.
        """
        u = u.detach()
        if u.dim() > 1 and u.numel() == len(u):
            u = u.reshape(-1)
        if self.prediction is not None:
            error = self._squared(u, error)
        return self.channel.reported_sigma(u), error.detach()

    def _squared(self, u: Tensor, error: Tensor) -> Tensor:
        """(n,) squared x0-errors of (n, ...) errors of the prediction."""
        if error.dim() < 2:
            raise InputError(
                f"observe got errors of shape {tuple(error.shape)}: with a prediction give the"
                " output minus its target, of shape (n, ...), neither squared nor summed; for (n,)"
                " squared x0-errors make the schedule without a prediction"
            )
        if u.shape != error.shape[:1]:
            raise InputError(
                f"observe got levels of shape {tuple(u.shape)} for errors of shape"
                f" {tuple(error.shape)}: give one level per example"
            )
        self._measure(error)
        # Squares overflow float16 from 256 on, and bfloat16 has three digits.
        wide = error.detach().to(torch.promote_types(error.dtype, torch.float32))
        squared = wide.flatten(1).square().sum(1)
        assert self.prediction is not None
        return self.channel.x0_squared_error(u, squared, self.prediction, self.sigma_data)

    def _measure(self, error: Tensor) -> None:
        """Take the dimensions from the reports (n, ...): a shape, which no device waits for."""
        dim = error[0].numel() if len(error) else 0
        if self._given is not None and dim > self._given:
            raise InputError(
                f"observe got examples of {dim} numbers, shape {tuple(error.shape[1:])}, where dim"
                f" is {self._given}: leave dim out, or give {dim}"
            )
        if self._given is None:
            self.dim = max(dim, self.dim or 1)


class Observing(TableLaw):
    """A table that is made from what `observe` is told."""

    _reports: Reports
    _sums: RateEstimator
    _health: Health

    def observe(
        self, u: Tensor, squared_error: Tensor, implied_error: Tensor | None = None
    ) -> None:
        """Report the errors made at levels u (n,), which `sample` drew.

        Training losses only: held-out losses belong to a profile of their own. Those that are not
        finite, negative or at no level of the channel are left out and counted.

        Args:
            squared_error: Where `prediction` is given, the network's output minus its target, with
                the shape of an example (n, ...), before any weight: it is squared in float32,
                summed, turned into the error of x0 and detached here. Otherwise (n,) squared
                x0-errors, or (n, G) split over groups: summed over an example's dimensions,
                unweighted; other predictions converted by `channel.x0_squared_error`.
            implied_error: (n,) posterior variance by the denoiser, for `calibration_gate`.
        """
        if implied_error is not None or not self._reports.keep(u, squared_error):
            self._take(u, squared_error, implied_error)

    def _take(self, u: Tensor, error: Tensor, implied: Tensor | None = None) -> None:
        sigma, squared = self.read(u, error)
        self.estimator.observe(sigma, squared, implied)
        self._health.count(sigma, squared)

    @property
    def estimator(self) -> RateEstimator:
        """The sums over all that was reported."""
        if (kept := self._reports.kept()) is not None:
            self._take(*kept)
        return self._sums

    def read(self, u: Tensor, squared_error: Tensor) -> tuple[Tensor, Tensor]:
        """Sigma and squared x0-errors, both (n,), of a report; arguments as in `observe`."""
        read = self._reports.read(u, squared_error)
        self._sums.dim = self._reports.dim
        return read
