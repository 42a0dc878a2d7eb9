"""Networks that predict something else than x0, under another coordinate, as denoisers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.processes.discrete import DiscreteDDPM
from infonoise_core.processes.prediction import Prediction, named_prediction

# (x_t, time, **condition) -> a prediction of x_t's shape, of twice its channels, or an object or a
# tuple that holds it.
Network = Callable[..., Any]
# Steps that a level of the table's own may be off by rounding alone: float32 tables keep 1 - a^2 to
# about 1e-3 of itself where it is least.
_WHOLE = 2e-2


class StepTable:
    """Steps of alphas_cumprod, and the levels between them, log-linear in sigma."""

    def __init__(self, alphas_cumprod: Tensor | Sequence[float]) -> None:
        self.channel = DiscreteDDPM(alphas_cumprod)
        kept = torch.as_tensor(alphas_cumprod).detach().to("cpu", torch.float64)
        sigma = ((1 - kept) / kept).sqrt()
        self.sigma = sigma[sigma.isfinite()]
        self._places = self.sigma.log()

    def time(self, sigma: Tensor) -> Tensor:
        """Step of each level, between steps where it lies between; sigma's shape, float64."""
        at = sigma.detach().to("cpu", torch.float64).log()
        i = torch.searchsorted(self._places, at).clamp(1, len(self._places) - 1)
        low, high = self._places[i - 1], self._places[i]
        time = i - 1 + ((at - low) / (high - low)).clamp(0, 1)
        whole = time.round()
        return torch.where((time - whole).abs() < _WHOLE, whole, time)


class NetworkDenoiser(nn.Module):
    """D(x, sigma, condition) of someone's network: epsilon, v, x0 or flow.

    x = x0 + sigma eps. A network of a table of steps sees a x, a = (1 + sigma^2)^(-1/2), at the
    step of that level, a fraction between two; then D is x - sigma out (epsilon), a^2 x - a sigma
    out (v), or out (x0). One of flow sees x / (1 + sigma) at s = sigma / (1 + sigma), and D is
    x / (1 + sigma) - s out, as out = eps - x0.

    Args:
        network: Called with x_t (n, ...) and times (n,), and the condition by keyword.
        alphas_cumprod: (T,) a^2 of each step; not for flow.
        prediction: What the network says, by our name or a library's.
        time_scale: Of the time that a flow network sees: 1000 s in Diffusers.
        whole_steps: Give the nearest step, for a network that knows no others.
        clip: The largest value of x0, where the model's sampler clips it.
        fixed: Conditions of every call; a row of one is repeated.
    """

    def __init__(
        self,
        network: Network,
        alphas_cumprod: Tensor | Sequence[float] | None = None,
        prediction: Prediction | str = "epsilon",
        *,
        time_scale: float = 1.0,
        whole_steps: bool = False,
        clip: float | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.prediction = named_prediction(prediction)
        if self.prediction in ("score", "F"):
            raise InputError(
                f"prediction {prediction!r} is not known here: give epsilon, v, x0 or flow"
            )
        if (alphas_cumprod is None) != (self.prediction == "velocity"):
            raise InputError(
                "a flow network has no alphas_cumprod, all others need it: give one of them"
            )
        self.network = network
        self.time_scale, self.clip = time_scale, clip
        self.whole_steps = whole_steps
        self.fixed = dict(fixed or {})
        self.table = None if alphas_cumprod is None else StepTable(alphas_cumprod)

    def forward(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        """x (n, ...), sigma (n,) -> x0 (n, ...), in at least float32."""
        level = sigma.to(torch.promote_types(x.dtype, torch.float32))
        level = level.reshape(-1, *(1,) * (x.dim() - 1))
        given = {**self._fixed(len(x)), **condition}
        if self.table is None:
            s = level / (1 + level)
            out = self._called(x / (1 + level), (self.time_scale * s).reshape(-1), given)
            denoised = x / (1 + level) - s * out
        else:
            a = torch.rsqrt(1 + level.square())
            time = self.table.time(sigma).to(x.device, torch.float32)
            if self.whole_steps:
                time = time.round().to(torch.int64)
            out = self._called(a * x, time, given)
            if self.prediction == "epsilon":
                denoised = x - level * out
            elif self.prediction == "v":
                denoised = a.square() * x - a * level * out
            else:
                denoised = out
        return denoised if self.clip is None else denoised.clamp(-self.clip, self.clip)

    def _fixed(self, n: int) -> dict[str, Any]:
        def repeated(value: Any) -> Any:
            if not isinstance(value, Tensor) or value.dim() == 0 or len(value) == n:
                return value
            if len(value) != 1:
                raise InputError(f"a condition of {len(value)} rows for {n} examples: give one row")
            return value.expand(n, *value.shape[1:])

        return {name: repeated(value) for name, value in self.fixed.items()}

    def _called(self, x: Tensor, time: Tensor, condition: Mapping[str, Any]) -> Tensor:
        weight = next(self.parameters(), None)
        dtype = x.dtype if weight is None else weight.dtype
        answer = self.network(x.to(dtype), time, **condition)
        out: Any = getattr(answer, "sample", answer)
        out = out[0] if isinstance(out, tuple) else out
        if out.shape != x.shape and out.dim() > 1 and out.shape[1] == 2 * x.shape[1]:
            # The second half is the variance that some networks learn beside.
            out = out[:, : x.shape[1]]
        if out.shape != x.shape:
            raise InputError(
                f"the network gave shape {tuple(out.shape)} for x of shape {tuple(x.shape)}: it"
                " must return one prediction of the same shape"
            )
        wide: Tensor = out.to(torch.promote_types(x.dtype, torch.float32))
        return wide
