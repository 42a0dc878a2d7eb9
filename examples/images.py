"""Images: train on handwritten digits, draw new ones, measure them, and write a page about it.

`digits` are scikit-learn's 8x8 images. A folder or archive of images of yours goes in its place,
with `--size 32` if they differ in size.

    python examples/images.py           50 seconds on one CPU core (infonoise-vision)
    python examples/images.py FOLDER    keeps the run, the images and the page there

The same by hand: `infonoise-vision train digits --out run`, and so on.
"""

import sys
import tempfile
from pathlib import Path

from infonoise_vision.cli import main as infonoise_vision


def run(command: str) -> None:
    """One command, as it would be typed; it ends here if it fails."""
    print(f"\n$ infonoise-vision {command}")
    if code := infonoise_vision(command.split()):
        sys.exit(code)


def main(folder: Path, steps: int = 200, samples: int = 64) -> None:
    out = folder / "run"
    # The schedule starts from the statistics of the pixels, and then follows the network's errors.
    run(f"train digits --steps {steps} --out {out}")
    # Where noise destroys the digits: coarse forms at high noise, detail at low.
    run(f"profile {out} --by haar")
    # Noise levels by the run's own profile; a grid of images in one file.
    run(f"sample {out} --samples {samples} --out {folder / 'digits.png'}")
    # Bits per dimension and distances, beside what real images give.
    run(f"evaluate {out} --samples {samples}")
    run(f"report {out} --out {folder / 'report.html'}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
