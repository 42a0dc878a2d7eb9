"""infonoise-vision: train, sample, evaluate, profile, compare."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tyro.conf import OmitArgPrefixes, Positional

import infonoise_core
import infonoise_vision
from infonoise_core.channel import VarianceExploding
from infonoise_core.errors import InputError
from infonoise_core.grid import entropic_grid, karras_grid
from infonoise_core.plot import draw_profile, figure
from infonoise_core.profile import EntropyRateProfile
from infonoise_core.training import command
from infonoise_core.training.compare import Contest, run_contest, updates_within
from infonoise_core.training.config import (
    TrainConfig,
    open_run,
    parse_duration,
    read_run,
    settings_of,
    write_json,
)
from infonoise_core.training.engine import TorchEngine, count_parameters, pick_device
from infonoise_core.training.loop import PROFILE_FILE, load_denoiser, train
from infonoise_core.training.progress import progress
from infonoise_core.training.report import Exhibit, answer, write_report
from infonoise_core.training.results import Results, print_table
from infonoise_core.training.schedules import Setting, check_names, make_schedule, split_names
from infonoise_core.weighting import Weight, edm_weight, unit_weight
from infonoise_vision.data import ImageSet, load_images
from infonoise_vision.evaluate import ImageEvaluation
from infonoise_vision.sample import generate, png_grid
from infonoise_vision.task import ImageTask, make_denoiser

UPDATES_FILE = "updates.json"
DONE_FILE = "done.json"
RESULTS_FILE = "results.json"
REPORT_FILE = "report.html"
HELD_OUT = 0.2


@dataclass(frozen=True)
class Objective:
    """Images and what is learned of them; the same in train and compare."""

    size: int | None = None
    """crop to a square and resize to this many pixels"""
    sigma_min: float = 0.002
    """lowest noise level, in the unit of images between -1 and 1"""
    sigma_max: float = 80.0
    """highest noise level"""
    sigma_data: float = 0.5
    """standard deviation the network's preconditioning assumes"""
    weight: str = "edm"
    """loss weight: edm or unit"""

    def channel(self) -> VarianceExploding:
        return VarianceExploding(self.sigma_min, self.sigma_max)

    def weighting(self) -> Weight:
        weights = {"edm": edm_weight(self.sigma_data), "unit": unit_weight()}
        if self.weight not in weights:
            raise InputError(f"--weight {self.weight}: no such weight; give edm or unit")
        return weights[self.weight]

    def setting(self, updates: int, dim: int) -> Setting:
        return Setting(self.channel(), self.weighting(), updates, dim)


@dataclass(frozen=True)
class Train:
    """Train a denoiser on images; the same command goes on after an interruption."""

    out: Path
    """folder for checkpoints, metrics and profile"""
    data: Positional[str] = "digits"
    """folder of images, .npz file, or digits (scikit-learn's, 8x8)"""
    schedule: str = "infonoise"
    """how noise levels are drawn: edm, log-uniform or infonoise"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace an earlier run in --out"""
    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)
    train: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class SampleCommand:
    """Generate images from a trained run into a PNG grid."""

    run: Positional[Path]
    """the --out of a train command"""
    out: Path
    """PNG file to write"""
    n: int = 64
    """how many images"""
    steps: int = 18
    """noise levels of the solver"""
    solver: str = "heun"
    """euler or heun"""
    grid: str = "karras"
    """noise levels: karras or entropic (by the run's profile)"""
    seed: int = 0
    """of the starting noise"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace the file --out"""


@dataclass(frozen=True)
class Evaluate:
    """Measure a trained run on the images it did not see."""

    run: Positional[Path]
    """the --out of a train command"""
    data: str | None = None
    """the images, if they have moved since training"""
    samples: int = 256
    """generated and held-out images of the distance"""
    device: str = "auto"
    """cpu, cuda or auto"""


@dataclass(frozen=True)
class Profile:
    """Show the entropy-rate profile a run has measured."""

    run: Positional[Path]
    """the --out of a train command, or a profile.json"""
    out: Path | None = None
    """write a picture here (.svg, .png or .pdf)"""
    overwrite: bool = False
    """replace the file --out"""


@dataclass(frozen=True)
class Compare:
    """Train the same network under several schedules and report which needs how many updates."""

    data: Positional[str] = "digits"
    """folder of images, .npz file, or digits (scikit-learn's, 8x8)"""
    out: Path = Path("infonoise-compare")
    """folder for report.html and results.json"""
    schedules: str = "edm,log-uniform,infonoise"
    """names, comma-separated"""
    budget: str = "3m"
    """time for everything, such as 90s, 3m or 1.5h; decides the number of updates"""
    updates: int | None = None
    """optimizer steps of each run, instead of --budget"""
    seeds: int = 1
    """runs of each schedule, from different seeds"""
    batch: int = 128
    """examples per optimizer step"""
    lr: float = 2e-3
    """learning rate"""
    seed: int = 0
    """the first seed"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace an earlier comparison in --out"""
    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)


def run_train(config: Train) -> None:
    """Train, evaluate, and leave a run in config.out."""
    objective = config.objective
    check_names([config.schedule], "--schedule")
    images, held_out = _load(config.data, objective.size)
    setting = objective.setting(config.train.updates, images.dim)
    schedule = make_schedule(config.schedule, setting)
    engine = TorchEngine(config.device)
    settings = {**settings_of(config), "overwrite": False, "shape": list(images.shape)}
    going_on = open_run(config.out, settings, overwrite=config.overwrite, finished=DONE_FILE)
    denoiser = make_denoiser(images.shape, objective.sigma_data, config.train.seed)
    evaluation = ImageEvaluation(images, held_out, objective.sigma_min, objective.sigma_max)
    verb = "going on with" if going_on else "training"
    _say(
        f"{verb} {count_parameters(denoiser.parameters()):,} parameters on {len(images)} images"
        f" {'x'.join(map(str, images.shape))} of {images.name} ({engine.device})"
    )
    with progress(config.train.updates, "train") as reporter:
        trained = train(
            ImageTask(images, denoiser, setting.weight), schedule, config.train, config.out,
            engine=engine, evaluate=evaluation, reporter=reporter,
        )  # fmt: skip
    final = trained.evaluations[-1]
    write_json(config.out / DONE_FILE, final)
    print(schedule.status())
    _print_measures(evaluation, final)


def run_sample(config: SampleCommand) -> None:
    """Generate images and write them as one PNG."""
    settings = read_run(config.run)
    if config.n < 1 or config.steps < 1:
        raise InputError(f"--n {config.n} and --steps {config.steps}: give at least 1")
    _refuse_existing(config.out, config.overwrite)
    low, high = settings["objective"]["sigma_min"], settings["objective"]["sigma_max"]
    if config.grid == "karras":
        sigmas = karras_grid(config.steps, low, high)
    elif config.grid == "entropic":
        sigmas = entropic_grid(_profile_of(config.run), config.steps, low, high)
    else:
        raise InputError(f"--grid {config.grid}: no such grid; give karras or entropic")
    denoiser = _denoiser_of(config.run, settings, config.device)
    shape = tuple(settings["shape"])
    with progress(config.n, "sample") as reporter:
        sample = generate(
            denoiser, shape, config.n, sigmas, solver=config.solver, seed=config.seed,
            progress=lambda done, _: reporter.advance(done),
        )  # fmt: skip
    _write_bytes(config.out, png_grid(sample.x))
    print(f"{config.out}: {config.n} images, {sample.nfe} denoiser calls each")


def run_evaluate(config: Evaluate) -> None:
    """Print the measures of a run on its held-out images."""
    settings = read_run(config.run)
    objective = settings["objective"]
    images, held_out = _load(config.data or settings["data"], objective["size"])
    if list(images.shape) != settings["shape"]:
        raise InputError(
            f"{config.data}: images of shape {images.shape}, the run was trained on"
            f" {tuple(settings['shape'])}; give the same data"
        )
    denoiser = _denoiser_of(config.run, settings, config.device)
    evaluation = ImageEvaluation(
        images, held_out, objective["sigma_min"], objective["sigma_max"], config.samples
    )
    _print_measures(evaluation, evaluation(denoiser))


def run_profile(config: Profile) -> None:
    """Print the profile's entropy and quantiles; draw it if asked."""
    if config.out is not None:
        _refuse_existing(config.out, config.overwrite)
    profile = _profile_of(config.run)
    low, high = float(profile.edges[0]), float(profile.edges[-1])
    print(
        f"entropy   {profile.entropy():.2f} ± {profile.entropy_stderr():.2f} nats per example,"
        f" between sigma {low:g} and {high:g}"
    )
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    levels = profile.quantile(torch.tensor(shares, dtype=torch.float64)).tolist()
    print("sigma at  " + "  ".join(f"{q:.0%} {s:.3g}" for q, s in zip(shares, levels, strict=True)))
    if config.out is not None:
        fig, ax = figure()
        draw_profile(ax, profile)
        try:
            fig.savefig(config.out)
        except ValueError:
            raise InputError(
                f"--out {config.out}: give a name that ends in .svg, .png or .pdf"
            ) from None
        print(f"{config.out}: written")


def run_compare(config: Compare) -> None:
    """Train under every schedule; write report.html and results.json, print the table."""
    names = split_names(config.schedules)
    if config.seeds < 1:
        raise InputError(f"--seeds {config.seeds}: give at least 1")
    budget = parse_duration(config.budget)
    objective = config.objective
    images, held_out = _load(config.data, objective.size)
    for name in names:
        make_schedule(name, objective.setting(1000, images.dim))
    pick_device(config.device)
    settings = {**settings_of(config), "overwrite": False}
    going_on = open_run(config.out, settings, overwrite=config.overwrite, finished=RESULTS_FILE)
    evaluation = ImageEvaluation(images, held_out, objective.sigma_min, objective.sigma_max)
    exhibits: dict[str, Exhibit] = {}

    def finish(name: str, seed: int, denoiser: nn.Module) -> None:
        if seed == config.seed:
            sigmas = karras_grid(18, objective.sigma_min, objective.sigma_max)
            exhibits[name] = png_grid(generate(denoiser, images.shape, 64, sigmas).x)

    contest = Contest(
        make_task=lambda seed: ImageTask(
            images, make_denoiser(images.shape, objective.sigma_data, seed), objective.weighting()
        ),
        make_schedules={n: _maker(n, objective, images.dim) for n in names},
        evaluate=evaluation,
        finish=finish,
        device=config.device,
    )
    runs = len(names) * config.seeds
    updates = _updates(config, contest, runs, budget)
    train_config = _train_config(config, updates)
    verb = "going on with" if going_on else "comparing"
    _say(f"{verb} {', '.join(names)} on {images.name}: {runs} runs of {updates} updates")
    with progress(runs * updates, "compare") as reporter:
        arms = run_contest(contest, train_config, config.seeds, config.out, reporter)
    results = Results(
        data=_describe(images, held_out),
        settings={**settings, "train": settings_of(train_config)},
        measures=evaluation.measures(),
        arms=arms,
        versions={
            "infonoise-core": infonoise_core.__version__,
            "infonoise-vision": infonoise_vision.__version__,
            "torch": torch.__version__,
        },
        floors={evaluation.distance: evaluation.floor},
    )
    exhibits["held-out images"] = png_grid(held_out.x0(np.arange(min(64, len(held_out)))))
    write_report(config.out / REPORT_FILE, results, exhibits)
    write_json(config.out / RESULTS_FILE, results.to_dict())
    print_table(results)
    print(answer(results))
    print(f"report: {config.out / REPORT_FILE}")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `infonoise-vision`."""
    return command.run(
        "infonoise-vision",
        infonoise_vision.__version__,
        {
            "train": (Train, run_train),
            "sample": (SampleCommand, run_sample),
            "evaluate": (Evaluate, run_evaluate),
            "profile": (Profile, run_profile),
            "compare": (Compare, run_compare),
        },
        argv,
    )


def _maker(name: str, objective: Objective, dim: int) -> Any:
    return lambda updates: make_schedule(name, objective.setting(updates, dim))


def _updates(config: Compare, contest: Contest, runs: int, budget: float) -> int:
    """From the option, from an earlier start of the same comparison, or from the budget."""
    if config.updates is not None:
        return config.updates
    kept = config.out / UPDATES_FILE
    if kept.exists():
        return int(json.loads(kept.read_text())["updates"])
    updates = updates_within(contest, _train_config(config, 60), runs, budget)
    write_json(kept, {"updates": updates})
    return updates


def _train_config(config: Compare, updates: int) -> TrainConfig:
    return TrainConfig(
        updates=updates, batch=config.batch, lr=config.lr, lr_warmup=min(100, updates // 10),
        seed=config.seed, eval_every=max(1, updates // 12), save_every=max(1, updates // 4), keep=1,
    )  # fmt: skip


def _load(data: str, size: int | None) -> tuple[ImageSet, ImageSet]:
    return load_images(data, size=size).split(HELD_OUT)


def _describe(images: ImageSet, held_out: ImageSet) -> dict[str, Any]:
    return {
        "name": images.name,
        "shape": list(images.shape),
        "levels": images.levels,
        "train": len(images),
        "held_out": len(held_out),
    }


def _denoiser_of(run: Path, settings: dict[str, Any], device: str) -> nn.Module:
    denoiser = make_denoiser(tuple(settings["shape"]), settings["objective"]["sigma_data"], 0)
    load_denoiser(run, denoiser)
    return denoiser.to(pick_device(device)).eval()


def _profile_of(run: Path) -> EntropyRateProfile:
    if run.is_dir() and not (run / PROFILE_FILE).exists():
        raise InputError(f"{run}: no profile here; train with --schedule infonoise to measure one")
    return EntropyRateProfile.load(run / PROFILE_FILE if run.is_dir() else run)


def _refuse_existing(out: Path, overwrite: bool) -> None:
    if out.is_dir():
        raise InputError(f"--out {out} is a folder: give a file name")
    if out.exists() and not overwrite:
        raise InputError(f"--out {out} exists: give another name or --overwrite")


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _print_measures(evaluation: ImageEvaluation, values: dict[str, float]) -> None:
    for measure in evaluation.measures():
        line = f"{measure.label}: {values[measure.name]:.4f}"
        if f"{measure.name}_stderr" in values:
            line += f" ± {values[f'{measure.name}_stderr']:.4f}"
        if measure.name == evaluation.distance:
            line += f" (real to real {evaluation.floor:.4f})"
        print(line)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
