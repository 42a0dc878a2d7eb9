"""What the gallery shows, made anew: profiles of data, and samples of short trainings.

    python docs/_ext/gallery_data.py ../shared/data            about five minutes on one CPU core
    python docs/_ext/gallery_data.py ../shared/data text dna   some parts

Writes a JSON file for each part into docs/_static/gallery, and the sampled images beside them. The
folder holds the bigger data; a kind of data whose files are not there is left out.
"""

import csv
import gzip
import importlib
import io
import json
import pydoc_data.topics
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.fft import dctn
from sklearn.datasets import load_digits
from torch import Tensor

from infonoise_core import (
    VarianceExploding,
    empirical_bayes_profile,
    independent_symbol_profile,
    linear_profile,
)
from infonoise_core.analytic.priors import OneHot

GALLERY = Path(__file__).parents[1] / "_static" / "gallery"
CHANNEL, BINS = VarianceExploding(0.005, 50.0), 64
# Images that a profile is taken from.
MOST = 2048
Profile = dict[str, Any]
Part = dict[str, Any]


def main(data: Path, names: Sequence[str]) -> None:
    """The named parts, or all of them, one after the other on one thread."""
    torch.set_num_threads(1)
    GALLERY.mkdir(parents=True, exist_ok=True)
    for name in names or PARTS:
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            found = PARTS[name](data, Path(folder))
        if found is not None:
            text = json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n"
            (GALLERY / f"{name}.json").write_text(text)


def profiles(data: Path) -> Iterator[Profile]:
    """Profiles that need no training, of everything that is there."""
    digits = torch.from_numpy(load_digits().images)[:, None] / 8 - 1
    yield images("Digits, grey", digits)
    yield images("Digits, black and white", digits.sign() + (digits == 0), discrete=True)
    kinds: dict[str, tuple[Path, Callable[[Path], Profile]]] = {
        "fashion": (data / "vision/fashion-mnist/train-images-idx3-ubyte.gz", _fashion),
        "bw": (data / "vision/fashion-mnist/train-images-idx3-ubyte.gz", _fashion_bits),
        "cifar": (data / "vision/cifar10-jpeg/cifar10-jpeg-test.tar.xz", _cifar),
        "photographs": (data / "vision/kodak", _kodak),
        "shakespeare": (data / "text/tinyshakespeare/input.txt", _shakespeare),
        "promoters": (data / "dna/ecoli_tss_50.csv.gz", _promoters),
        "peaks": (data / "dna/tf_chip_100.csv.gz", _peaks),
    }
    for path, read in kinds.values():
        if path.exists():
            yield read(path)
    yield letters("Python's documentation, bits", " ".join(pydoc_data.topics.topics.values()))


def images(name: str, x0: Tensor, *, discrete: bool = False) -> Profile:
    """The lowest of what is known without training.

    That is by neighbours, by cosines, and of black and white pixels by how often each is white.
    """
    x0 = x0[torch.randperm(len(x0))[:MOST]].double()
    found = empirical_bayes_profile(x0, CHANNEL, BINS, MOST)
    waves = torch.from_numpy(dctn(x0.numpy(), axes=(1, 2, 3), norm="ortho"))
    linear = linear_profile(CHANNEL, waves.var(0).flatten(), BINS)
    rate = torch.minimum(found.rate, linear.rate)
    if discrete:
        white = ((x0 > 0).double().sum(0).flatten() + 0.5) / (len(x0) + 1)
        values = torch.tensor([[-1.0], [1.0]]).double()
        table = torch.stack([1 - white, white], 1)
        rate = torch.minimum(
            rate, independent_symbol_profile(CHANNEL, table, values, bins=BINS).rate
        )
    return _profile(name, "images", found.sigma, rate / found.dim)


def letters(name: str, text: str) -> Profile:
    """Of the bits of its ASCII letters, by how often each is 1."""
    codes = np.frombuffer(text.encode("ascii", "ignore"), np.uint8)
    ones = torch.from_numpy(np.unpackbits(codes).reshape(-1, 8).mean(0))
    values = torch.tensor([[0.0], [1.0]]).double()
    found = independent_symbol_profile(CHANNEL, torch.stack([1 - ones, ones], 1), values, bins=BINS)
    return _profile(name, "text", found.sigma, found.rate / 8)


def bases(name: str, sequences: list[str]) -> Profile:
    """Of one-hot bases, by how often each stands at each place."""
    codes = np.stack([np.frombuffer(one.encode(), np.uint8) for one in sequences])
    shares = torch.from_numpy(np.stack([(codes == ord(b)).mean(0) for b in "ACGT"], 1))
    table = (shares * len(codes) + 0.25) / (len(codes) + 1)
    found = independent_symbol_profile(CHANNEL, table, OneHot(-1.0, 1.0), bins=BINS)
    return _profile(name, "DNA", found.sigma, found.rate / len(table))


def _profile(name: str, kind: str, sigma: Tensor, rate: Tensor) -> Profile:
    return {
        "name": name, "kind": kind,
        "sigma": [float(f"{s:.5g}") for s in sigma.tolist()],
        "rate": [float(f"{r:.4g}") for r in rate.tolist()],
    }  # fmt: skip


def _idx(path: Path) -> Tensor:
    pixels = np.frombuffer(gzip.decompress(path.read_bytes())[16:], np.uint8)
    return torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy()) / 127.5 - 1


def _fashion(path: Path) -> Profile:
    return images("Fashion-MNIST, grey", _idx(path)[:4096])


def _fashion_bits(path: Path) -> Profile:
    pixels = _idx(path)[:4096]
    return images("Fashion-MNIST, black and white", (pixels > 0).float() * 2 - 1, discrete=True)


def _cifar(path: Path) -> Profile:
    with tarfile.open(path) as archive:
        members = [m for m in archive.getmembers() if m.isfile()][::4]
        pixels = [
            np.asarray(Image.open(io.BytesIO(archive.extractfile(m).read()))) for m in members
        ]
    return images("CIFAR-10 (JPEG), colour", _colour(np.stack(pixels)))


def _kodak(path: Path) -> Profile:
    patches = []
    for file in sorted(path.glob("*.png")):
        picture = np.asarray(Image.open(file).convert("RGB"))
        tiles = picture.reshape(picture.shape[0] // 32, 32, picture.shape[1] // 32, 32, 3)
        patches.append(tiles.swapaxes(1, 2).reshape(-1, 32, 32, 3))
    return images("Photographs (Kodak), colour", _colour(np.concatenate(patches)))


def _colour(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1


def _shakespeare(path: Path) -> Profile:
    return letters("Shakespeare, bits", path.read_text())


def _promoters(path: Path) -> Profile:
    return bases("E. coli promoters, one-hot", _sequences(path))


def _peaks(path: Path) -> Profile:
    return bases("CTCF and PU.1 peaks, one-hot", _sequences(path))


def _sequences(path: Path) -> list[str]:
    with gzip.open(path, "rt") as rows:
        return [row["sequence"] for row in csv.DictReader(rows)]


def train(domain: str, source: str, *options: str, run: Path, steps: int) -> Profile:
    """A run by a package's own command, and the profile that it measured."""
    call(domain, "train", *source.split(), *options, "--steps", str(steps), "--out", str(run))
    return {"steps": steps, "profile": json.loads((run / "profile.json").read_text())}


def digits(data: Path, folder: Path) -> Part:
    """A short training on the digits that are always there."""
    found = train("vision", "digits", run=folder / "run", steps=300)
    _grid(folder / "run", "digits.png")
    return found


def fashion(data: Path, folder: Path) -> Part | None:
    """The same on Fashion-MNIST at half of its size."""
    source = data / "vision/fashion-mnist"
    if not source.exists():
        return None
    found = train("vision", str(source), "--size", "14", run=folder / "run", steps=200)
    _grid(folder / "run", "fashion.png")
    return found


def text(data: Path, folder: Path) -> Part:
    """Python's own documentation, and two texts."""
    run, out = folder / "run", folder / "texts.jsonl"
    found = train("text", "pydoc", run=run, steps=150)
    call("text", "sample", str(run), "--samples", "2", "--out", str(out))
    samples = [json.loads(line)["text"] for line in out.read_text().splitlines()]
    return {**found, "samples": samples}


def dna(data: Path, folder: Path) -> Part:
    """Made-up promoters, and designs of one of their two classes."""
    run, out = folder / "run", folder / "designs.fa"
    found = train("bio", "planted", "--strand", "forward", run=run, steps=200)
    call(
        "bio", "sample", str(run), "--samples", "300", "--label", "housekeeping", "--out", str(out)
    )
    samples = [line for line in out.read_text().splitlines() if line[0] != ">"]
    return {**found, "samples": samples}


def comparison(data: Path, folder: Path) -> Part:
    """Three schedules on black and white digits, two seeds each."""
    out = folder / "comparison"
    call("vision", "compare", "digits", "--binarize", "0.5", "--steps", "120", "--seeds", "2",
         "--out", str(out))  # fmt: skip
    results = json.loads((out / "results.json").read_text())
    measure = results["measures"][0]
    curves = [
        {
            "schedule": arm["schedule"], "seed": arm["seed"],
            "steps": [at["step"] for at in arm["evaluations"]],
            "values": [at[measure["name"]] for at in arm["evaluations"]],
        }
        for arm in results["arms"]
    ]  # fmt: skip
    return {"measure": measure["label"], "curves": curves}


def call(domain: str, *words: str) -> None:
    """A command of a package; it ends here if it fails."""
    print(f"$ infonoise-{domain}", *words, file=sys.stderr)
    if code := importlib.import_module(f"infonoise_{domain}.cli").main([*words]):
        sys.exit(code)


def _grid(run: Path, name: str) -> None:
    """Forty samples in one picture, a pixel of theirs several of its own."""
    path = GALLERY / name
    path.unlink(missing_ok=True)
    call("vision", "sample", str(run), "--samples", "40", "--out", str(path))
    grid = Image.open(path)
    times = max(1, 640 // grid.width)
    grid.resize((grid.width * times, grid.height * times), Image.NEAREST).save(path)


PARTS: dict[str, Callable[[Path, Path], Any]] = {
    "profiles": lambda data, folder: list(profiles(data)),
    "digits": digits,
    "fashion": fashion,
    "text": text,
    "dna": dna,
    "comparison": comparison,
}

if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"), sys.argv[2:])
