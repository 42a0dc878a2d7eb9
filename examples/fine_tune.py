"""Fine-tune a torch model that you have, with the noise levels that the new data ask for.

The model knows the digits 0 to 4 in black and white, and goes on with 5 to 9: under EDM's noise
distribution, and under `InfoNoise`. It prints what held-out digits cost: fewer nats are better.

    python examples/fine_tune.py           10 seconds on one CPU core (infonoise-core, scikit-learn)
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import infonoise_core as core

CHANNEL, WEIGHT = core.VarianceExploding(0.02, 40.0), core.edm_weight(0.5)
net = nn.Sequential(nn.Linear(65, 512), nn.SiLU(), nn.Linear(512, 64))


def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
    """Pixels of -0.5 or 0.5: what each tells by itself is exact, the network adds the others."""
    s = sigma[:, None]
    others = net(torch.cat([x / (s.square() + 0.25).sqrt(), s.log() / 4], dim=1))
    return 0.5 * (x / (2 * s.square()) + others).tanh()


def train(images: Tensor, schedule: core.Schedule, steps: int) -> None:
    """Your loop; the schedule is all that differs."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(steps):
        x0 = images[torch.randint(len(images), (128,))]
        sigma = schedule.sample(len(x0))
        error = (denoiser(x0 + sigma[:, None] * torch.randn_like(x0), sigma) - x0).square().sum(1)
        optimizer.zero_grad()
        (WEIGHT(sigma) * error).mean().backward()
        optimizer.step()
        schedule.observe(sigma, error.detach())
        schedule.step()


def main(steps: int = 60) -> None:
    torch.manual_seed(0)
    data = load_digits()
    digits = (torch.tensor(data.data) > 8).float() - 0.5
    old, new, held_out = digits[data.target < 5], *digits[data.target >= 5].split([600, 296])
    train(old, core.LogNormal(CHANNEL), 5 * steps)
    trained = {name: value.clone() for name, value in net.state_dict().items()}
    black = (new > 0).double().mean(0) * 0.998 + 0.001  # known before training
    table, values = torch.stack([1 - black, black], 1), torch.tensor([[-0.5], [0.5]]).double()
    pixels = core.independent_symbol_profile(CHANNEL, table, values)
    adaptive = core.InfoNoise(CHANNEL, weight=WEIGHT, prior=pixels, compensate=False)
    for name, schedule in {"EDM": core.LogNormal(CHANNEL), "infonoise": adaptive}.items():
        net.load_state_dict(trained)
        train(new, schedule, steps)
        cost = float(core.measure_profile(denoiser, held_out, CHANNEL, 32).entropy())
        print(f"{name}: {cost:.1f} nats per digit after {steps} steps")


if __name__ == "__main__":
    main()
