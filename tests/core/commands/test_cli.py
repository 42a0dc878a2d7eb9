"""infonoise on the command line: what it prints, what it writes, and how it says no."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import infonoise_core
from infonoise_core.analytic.exact import BinarySource, GaussianSource, SphereSource, exact_profile
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.commands.cli import COMMANDS, main
from infonoise_core.training import checkpoint

ONE_LINE = re.compile(r"error: [^\n]+\n")


@pytest.fixture
def sphere(tmp_path: Path) -> Path:
    path = tmp_path / "sphere.json"
    exact_profile(SphereSource(10, 100), 0.005, 80.0).save(path)
    return path


@pytest.fixture
def bits(tmp_path: Path) -> Path:
    """As a training run leaves it: in the run's folder."""
    path = tmp_path / "run" / "profile.json"
    path.parent.mkdir()
    exact_profile(BinarySource(16), 0.02, 80.0).save(path)
    return path.parent


def row(text: str, label: str) -> list[str]:
    """Cells of the table's row of that name."""
    (line,) = [line for line in text.splitlines() if label in line]
    return [cell.strip() for cell in line.strip("│┃ ").split("│")][1:]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line on stderr with which a command ends that is not carried out."""
    assert main([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert ONE_LINE.fullmatch(err)
    return err


def test_profile_shows_entropy_quantiles_and_dimension(sphere: Path, bits: Path, capsys) -> None:
    assert main(["profile", str(sphere), str(bits)]) == 0
    out = capsys.readouterr().out
    assert row(out, "dimensions") == ["100", "16"]
    discrete = row(out, "entropy, if discrete")
    assert discrete[0] == "not settled"
    assert float(discrete[1].split()[0]) == pytest.approx(16 * math.log(2), rel=1e-3)
    # The median of one bit at +-1, from its closed form.
    assert float(row(out, "sigma at 50%")[1]) == pytest.approx(0.979, rel=0.01)
    flat = row(out, "plateau")
    assert float(flat[0].split()[0]) == pytest.approx(10, rel=0.02)
    assert flat[1] == "none"


def test_profile_of_a_density(tmp_path: Path, capsys) -> None:
    source = GaussianSource(3, 2.0)
    exact_profile(source, 0.01, 100.0).save(tmp_path / "normal.json")
    assert main(["profile", str(tmp_path / "normal.json")]) == 0
    found = float(row(capsys.readouterr().out, "entropy, if continuous")[0].split()[0])
    assert found == pytest.approx(source.entropy, rel=1e-3)


def test_dimension(sphere: Path, bits: Path, capsys) -> None:
    assert main(["dimension", str(sphere)]) == 0
    assert capsys.readouterr().out.startswith("dimension 9.9")
    assert main(["dimension", str(bits)]) == 0
    assert capsys.readouterr().out.startswith("no plateau")


def test_dimension_says_where_the_other_readings_are(capsys) -> None:
    assert main(["dimension", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "infonoise_core.intrinsic_dimension" in text


def test_compare(tmp_path: Path, capsys) -> None:
    mixture = MixtureSource(4 * torch.eye(10), 0.5)
    exact_profile(mixture, 0.02, 80.0).save(tmp_path / "whole.json")
    exact_profile(mixture.component(0), 0.02, 80.0).save(tmp_path / "given.json")
    files = [str(tmp_path / "whole.json"), str(tmp_path / "given.json")]
    assert main(["compare", *files, "--bound", "2.3026"]) == 0
    out = capsys.readouterr().out
    assert float(out.split()[0]) == pytest.approx(math.log(10), rel=0.01)
    assert "at most 2.303 nats" in out


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_plot(ending: str, start: bytes, sphere: Path, bits: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "new" / f"figure.{ending}"
    assert main(["plot", str(sphere), str(bits), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: written\n"
    first = out.read_bytes()
    assert first.startswith(start)
    assert main(["plot", str(sphere), str(bits), "--out", str(out), "--overwrite"]) == 0
    assert list(out.parent.iterdir()) == [out]
    if ending == "svg":
        # Two rates, told apart by file and by run.
        assert first.count(b"<!-- sphere.json -->") == 1
        assert first.count(b"<!-- run -->") == 1


def test_an_existing_file_stays(sphere: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "figure.svg"
    out.write_text("mine")
    assert "--overwrite" in refused(capsys, "plot", sphere, "--out", out)
    assert out.read_text() == "mine"


def test_unknown_endings_and_folders_are_refused(sphere: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("matplotlib")
    assert ".svg" in refused(capsys, "plot", sphere, "--out", tmp_path / "figure.xyz")
    assert ".svg" in refused(capsys, "plot", sphere, "--out", tmp_path / "figure")
    (tmp_path / "folder.svg").mkdir()
    arguments = ("plot", sphere, "--out", tmp_path / "folder.svg", "--overwrite")
    assert "folder" in refused(capsys, *arguments)


@pytest.mark.parametrize("command", ["profile", "dimension", "plot", "compare"])
def test_files_that_are_no_profiles(command: str, sphere: Path, tmp_path: Path, capsys) -> None:
    good = json.loads(sphere.read_text())
    (tmp_path / "damaged.json").write_text(sphere.read_text()[:200])
    (tmp_path / "binary.json").write_bytes(b"\x89PNG\xff\xfe\x00")
    (tmp_path / "other.json").write_text('{"format": "something else"}')
    (tmp_path / "later.json").write_text(json.dumps({**good, "version": 99}))
    (tmp_path / "short.json").write_text(json.dumps({**good, "rate": good["rate"][:-1]}))
    (tmp_path / "empty").mkdir()
    names = ("missing", "damaged", "binary", "other", "later", "short")
    rest = {"plot": ["--out", tmp_path / "f.svg"], "compare": [sphere]}.get(command, [])
    for path in [*(tmp_path / f"{name}.json" for name in names), tmp_path / "empty"]:
        assert str(path) in refused(capsys, command, path, *rest)


@pytest.mark.parametrize(
    "arguments", [["profile"], ["plot", "x.json"], ["draw"], [], ["--bins", "3"]]
)
def test_a_command_line_that_makes_no_sense(arguments: list[str], capsys) -> None:
    assert "--help" in refused(capsys, *arguments) or arguments == ["profile"]


def test_estimate_memory_of_a_number(capsys) -> None:
    arguments = ["estimate-memory", "1G", "--processes", "4", "--gpu", "16GiB"]
    assert main([*arguments, "--activations", "512MiB"]) == 0
    out = capsys.readouterr().out
    assert "1,000,000,000 parameters, fp32: GiB of each of 4 processes" in out
    # 4e9 bytes are 3.73 GiB: weights, a quarter of the average, two moments, gradients and one
    # bucket of them of 25 MB.
    cells = ["3.73", "0.93", "7.45", "3.75", "0.50", "16.36", "no"]
    assert row(out, "torch") == cells
    assert row(out, "--zero 3")[:3] == ["1.86", "0.93", "1.86"]


def test_estimate_memory_with_the_host(capsys) -> None:
    arguments = ["estimate-memory", "1G", "--processes", "4", "--offload", "optimizer"]
    assert main([*arguments, "--activations", "512MiB"]) == 0
    out = capsys.readouterr().out
    # Of 3.73 GiB of weights a quarter six times on the host; weights alone are left of stage 1.
    assert row(out, "torch")[-1] == row(out, "--zero 0")[-1] == "0.00"
    first = row(out, "--zero 1")
    assert (first[0], first[1], first[2], first[-1]) == ("3.73", "0.00", "0.00", "5.59")


def test_estimate_memory_of_a_run(tmp_path: Path, capsys) -> None:
    weights = {"a": torch.zeros(7, 11), "b": torch.zeros(())}
    checkpoint.save(tmp_path / "checkpoints", 1, {"model": weights}, {}, keep=1, best=None)
    assert main(["estimate-memory", str(tmp_path)]) == 0
    assert "78 parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["1.5X"], ["none"], ["-3M"], ["0"], ["nan"], ["1e30"],
        ["1M", "--gpu", "24"], ["1M", "--gpu", "much"], ["1M", "--activations", "-1GiB"],
        ["1M", "--processes", "0"], ["1M", "--grad-accum", "0"],
    ],
)  # fmt: skip
def test_estimates_of_what_is_no_size(arguments: list[str], capsys) -> None:
    assert arguments[-1] in refused(capsys, "estimate-memory", *arguments)


def test_estimate_memory_of_a_folder_without_a_run(tmp_path: Path, capsys) -> None:
    assert str(tmp_path) in refused(capsys, "estimate-memory", tmp_path)


def test_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"infonoise {infonoise_core.__version__}\n"


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_as_a_process(tmp_path: Path) -> None:
    code = "import sys; from infonoise_core.commands.cli import main; sys.exit(main())"
    done = run_python(code, "profile", str(tmp_path / "missing.json"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert ONE_LINE.fullmatch(done.stderr)


@pytest.mark.parametrize(
    ("hidden", "arguments", "extra"),
    [
        ("tyro", ["profile", "x"], "[cli]"),
        ("matplotlib", ["plot", "FILE", "--out", "f.svg"], "[plot]"),
        ("safetensors", ["estimate-memory", "1M"], "[train]"),
        ("rich", ["profile", "FILE"], "[cli]"),
    ],
)
def test_missing_extras_are_named(
    hidden: str, arguments: list[str], extra: str, sphere: Path
) -> None:
    """Without what an extra installs, one line says which extra it is. Nothing of the training
    extra is needed at all.
    """
    code = f"""
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{{hidden!r}, "safetensors", "jinja2", "yaml"}}:
            raise ModuleNotFoundError(f"hidden: {{name}}", name=name)
sys.meta_path.insert(0, Hide())
from infonoise_core.commands.cli import main
sys.exit(main())
"""
    done = run_python(code, *(str(sphere) if a == "FILE" else a for a in arguments))
    assert done.returncode == 2
    assert ONE_LINE.fullmatch(done.stderr)
    assert extra in done.stderr


HEAVY = {"torch", "numpy", "matplotlib", "safetensors", "jinja2", "huggingface_hub"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["--wrong"], 2),
        ([], 2),
        *(([verb, "--help"], 0) for verb in COMMANDS),
        *(([verb, "--wrong"], 2) for verb in COMMANDS),
    ],
    ids=str,
)
def test_help_and_wrong_options_import_nothing_heavy(arguments: list[str], code: int) -> None:
    done = run_python(
        "import sys; from infonoise_core.commands.cli import main; code = main()\n"
        "print(*{name.partition('.')[0] for name in sys.modules}); sys.exit(code)",
        *arguments,
    )
    assert done.returncode == code, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "infonoise_core" in loaded
    assert not loaded & HEAVY
    if arguments == ["--version"]:
        assert not loaded & {"tyro", "yaml", "rich"}


def test_plot_over_time_draws_the_density_of_a_run(tmp_path: Path, capsys) -> None:
    run, sigma = tmp_path / "run", [0.1, 1.0, 10.0]
    run.mkdir()
    lines: list[dict[str, object]] = [{"step": 1, "loss": 2.0}]
    lines += [{"step": k, "density": {"sigma": sigma, "density": [k, 1, 0]}} for k in (5, 10)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    # The last line as a run that goes on, or was killed, leaves it.
    (run / "metrics.jsonl").write_text(text + '{"step": 11, "dens')
    out = tmp_path / "history.svg"
    assert main(["plot", str(run), "--over-time", "--out", str(out)]) == 0
    assert "<image" in out.read_text()
    assert "updates" in out.read_text()


def test_plot_over_time_says_what_it_needs(tmp_path: Path, bits: Path, capsys) -> None:
    out = tmp_path / "history.svg"
    assert "no metrics.jsonl" in refused(capsys, "plot", bits, "--over-time", "--out", out)
    assert "2 were given" in refused(capsys, "plot", bits, bits, "--over-time", "--out", out)
    (bits / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n')
    assert "no density was written" in refused(capsys, "plot", bits, "--over-time", "--out", out)
    assert not out.exists()
