"""What the gallery shows, made anew: profiles of data, and samples of short trainings.

    python docs/_ext/gallery_data.py ../shared/data      about ten minutes on one CPU core

Writes docs/_static/gallery/gallery.json and the sampled images beside it. The folder holds the
bigger data (see their README); a kind of data whose files are not there is left out.
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
from collections.abc import Callable, Iterator
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


def main(data: Path) -> None:
    """Everything, one after the other on one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    GALLERY.mkdir(parents=True, exist_ok=True)
    content = {"profiles": list(profiles(data)), **trainings(data)}
    (GALLERY / "gallery.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


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


def trainings(data: Path) -> dict[str, Any]:
    """Samples, measured profiles and a comparison, by the packages' own commands."""
    content: dict[str, Any] = {"trained": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fashion = data / "vision/fashion-mnist"
        sets = [("Digits", "digits", ["digits"], 300)]
        if fashion.exists():
            sets.append(("Fashion-MNIST", "fashion", [str(fashion), "--size", "14"], 200))
        for title, name, source, steps in sets:
            run, grid = folder / name, GALLERY / f"{name}.png"
            grid.unlink(missing_ok=True)
            call("vision", "train", *source, "--steps", str(steps), "--out", str(run))
            call("vision", "sample", str(run), "--samples", "40", "--out", str(grid))
            _enlarge(grid)
            content["trained"].append(_measured(title, run, steps))
        run = folder / "text"
        call("text", "train", "pydoc", "--steps", "250", "--out", str(run))
        out = folder / "texts.jsonl"
        call("text", "sample", str(run), "--samples", "2", "--out", str(out))
        content["text"] = [json.loads(line)["text"] for line in out.read_text().splitlines()]
        content["trained"].append(_measured("Python's documentation", run, 250))
        run = folder / "dna"
        call("bio", "train", "planted", "--strand", "forward", "--steps", "200", "--out", str(run))
        out = folder / "designs.fa"
        call("bio", "sample", str(run), "--samples", "400", "--label", "housekeeping",
             "--out", str(out))  # fmt: skip
        content["dna"] = [line for line in out.read_text().splitlines() if line[0] != ">"]
        content["trained"].append(_measured("Promoters with planted motifs", run, 200))
        out = folder / "comparison"
        call("vision", "compare", "digits", "--binarize", "0.5", "--steps", "120", "--seeds", "2",
             "--out", str(out))  # fmt: skip
        content["comparison"] = _comparison(json.loads((out / "results.json").read_text()))
    return content


def call(domain: str, *words: str) -> None:
    """A command of a package; it ends here if it fails."""
    print(f"$ infonoise-{domain}", *words, file=sys.stderr)
    if code := importlib.import_module(f"infonoise_{domain}.cli").main([*words]):
        sys.exit(code)


def _enlarge(grid: Path) -> None:
    picture = Image.open(grid)
    times = max(1, 640 // picture.width)
    picture.resize((picture.width * times, picture.height * times), Image.NEAREST).save(grid)


def _measured(title: str, run: Path, steps: int) -> dict[str, Any]:
    profile = json.loads((run / "profile.json").read_text())
    return {"name": title, "steps": steps, "profile": profile}


def _comparison(results: dict[str, Any]) -> dict[str, Any]:
    measure = results["measures"][0]
    return {
        "measure": measure["label"],
        "curves": [
            {
                "schedule": arm["schedule"], "seed": arm["seed"],
                "steps": [at["step"] for at in arm["evaluations"]],
                "values": [at[measure["name"]] for at in arm["evaluations"]],
            }
            for arm in results["arms"]
        ],
    }  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
