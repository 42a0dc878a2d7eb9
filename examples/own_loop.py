"""Your own training loop with the adaptive schedule: three lines, marked 1, 2 and 3.

A small network learns scikit-learn's handwritten digits. While it does, the schedule measures at
which noise levels they are destroyed, and moves the training there.

    python examples/own_loop.py           15 seconds on one CPU core (infonoise-core, scikit-learn)
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

from infonoise_core import InfoNoise, VarianceExploding, edm_weight, rescaled_entropic_grid, solve

SD = 0.5  # standard deviation of a pixel, roughly
net = nn.Sequential(
    nn.Linear(65, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU(), nn.Linear(512, 64)
)


def denoiser(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The clean image, with EDM's preconditioning around the network."""
    s = sigma[:, None]
    total = s.square() + SD**2
    output = net(torch.cat([x / total.sqrt(), s.log() / 4], dim=1))
    return SD**2 / total * x + s * SD / total.sqrt() * output


def main(steps: int = 2000) -> None:
    torch.manual_seed(0)
    digits = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    weight = edm_weight(SD)
    schedule = InfoNoise(
        VarianceExploding(0.002, 80.0), weight=weight, dim=64, power=0.5, warmup_steps=200
    )
    for step in range(1, steps + 1):
        x0 = digits[torch.randint(len(digits), (256,))]
        sigma = schedule.sample(len(x0))  # 1: the noise levels to train on
        x = x0 + sigma[:, None] * torch.randn_like(x0)
        squared_error = (denoiser(x, sigma) - x0).square().sum(dim=1)
        optimizer.zero_grad()
        (weight(sigma) * squared_error).mean().backward()
        optimizer.step()
        schedule.observe(sigma, squared_error.detach())  # 2: the errors that training made anyway
        schedule.step()  # 3: once per optimizer step
        if step % (steps // 4) == 0:
            print(f"step {step}: {schedule.status()}")
    sigmas = rescaled_entropic_grid(schedule.profile(), 18).float()
    with torch.no_grad():
        drawn = solve(denoiser, sigmas[0] * torch.randn(8, 64), sigmas).x.clamp(-1, 1)
    for rows in drawn.reshape(8, 8, 8).transpose(0, 1).tolist():  # the same row of each digit
        print("  ".join("".join(" .:+#@"[int(3 + 2.9 * ink)] for ink in row) for row in rows))


if __name__ == "__main__":
    main()
