"""Settings from files, --set, presets and options: who wins, what comes back, what is refused."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import tyro
from hypothesis import given, settings
from hypothesis import strategies as st
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.app import command
from infonoise_core.config.parse import parse_options
from infonoise_core.config.presets import differences
from infonoise_core.config.tree import ConfigTree, build
from infonoise_core.config.yaml_file import put_assignment, read_config, to_yaml, write_yaml
from infonoise_core.errors import InputError


@dataclass(frozen=True)
class Loop:
    steps: int = 100
    """optimizer steps"""
    lr: float = 1e-3
    """learning rate"""
    decay: Literal["constant", "cosine"] = "constant"
    """how it falls"""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"--steps {self.steps}: give at least 1")


@dataclass(frozen=True)
class Net:
    """The network."""

    widths: tuple[int, ...] = (8, 16)
    """channels"""
    size: int | None = None
    """pixels"""
    start: Path | None = None
    """weights to begin with"""
    note: str | None = None
    """for the reader"""
    scales: tuple[float, str] = (1.0, "a")
    """a number and its name"""
    causal: bool = False
    """look back only"""


@dataclass(frozen=True)
class Train:
    """Train something."""

    out: Path
    """folder"""
    data: Positional[str] = "digits"
    """what"""
    loop: OmitArgPrefixes[Loop] = field(default_factory=Loop)
    net: Net = field(default_factory=lambda: Net(size=28))


PRESETS = {
    "small": lambda: Train(tyro.MISSING, loop=Loop(steps=10)),
    "large": lambda: Train(tyro.MISSING, loop=Loop(steps=5000, lr=1e-4), net=Net((32, 64))),
}


def parse(*arguments: str, presets: Any = PRESETS) -> Train:
    config = parse_options(Train, "prog train", arguments, presets)
    assert config is not None
    return config


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return str(path)


# What no file can hold: half of a surrogate pair in a text, and a zero byte in a path. A path
# called None is a text that the type also reads as nothing, so it is refused.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PATHS = st.text("ab/. :#'\"-\u00e9\n", min_size=1, max_size=8).map(Path)
# NaN comes back too, but is equal to nothing.
NUMBERS = st.floats(allow_nan=False)
TREES = st.builds(
    Train,
    out=PATHS,
    data=TEXT | st.sampled_from(["null", "None", "true", "007", "1e3", "2020-01-01", "~", "- a"]),
    loop=st.builds(Loop, st.integers(1, 10**12), NUMBERS, st.sampled_from(["constant", "cosine"])),
    net=st.builds(
        Net,
        widths=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4).map(tuple),
        size=st.none() | st.integers(-(2**63), 2**63 - 1),
        start=st.none() | PATHS,
        note=st.none() | TEXT | st.just("None"),
        scales=st.tuples(NUMBERS, TEXT | st.just("None")),
        causal=st.booleans(),
    ),
)


@given(TREES)
def test_a_config_comes_back_from_yaml_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, config: Train
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "config.yaml"
    write_yaml(path, config)
    tree = ConfigTree(Train)
    read_config(path, tree)
    again = build(Train, tree.draft())
    assert again == config
    assert to_yaml(again) == to_yaml(config)


def test_a_resolved_config_runs_the_same_command_again(tmp_path: Path) -> None:
    first = parse("x y", "--preset", "large", "--out", "here", "--net.widths", "1", "2")
    write_yaml(tmp_path / "deep" / "config.yaml", first)
    assert parse("--config", str(tmp_path / "deep" / "config.yaml")) == first


def test_fields_can_stay_out_of_the_file(tmp_path: Path) -> None:
    write_yaml(tmp_path / "config.yaml", parse("--out", "here"), leave_out=["out"])
    with pytest.raises(InputError, match="--out PATH"):
        parse("--config", str(tmp_path / "config.yaml"))
    assert parse("--config", str(tmp_path / "config.yaml"), "--out", "b").out == Path("b")


SOURCES = ("preset", "config", "set", "option")


@settings(max_examples=30)
@given(
    st.sets(st.sampled_from(SOURCES)),
    st.lists(st.integers(1, 99), min_size=3, max_size=3, unique=True),
)
def test_the_nearest_source_wins(
    tmp_path_factory: pytest.TempPathFactory, given_by: set[str], values: list[int]
) -> None:
    by = dict(zip(SOURCES, (5000, *values), strict=True))
    file = tmp_path_factory.mktemp("yaml") / "run.yaml"
    file.write_text(f"steps: {by['config']}\n")
    arguments = {
        "preset": ["--preset", "large"],
        "config": ["--config", str(file)],
        "set": ["--set", f"loop.steps={by['set']}"],
        "option": ["--steps", str(by["option"])],
    }
    # In whatever order they stand.
    argv = [a for name in sorted(given_by) for a in arguments[name]]
    winner = max(given_by, key=SOURCES.index, default=None)
    expected = Loop().steps if winner is None else by[winner]
    assert parse(*argv, "--out", "x").loop.steps == expected


def test_what_nobody_gives_stays_as_it_is_by_default() -> None:
    # The default of the field, not that of its class.
    assert parse("--out", "x", "--set", "net.causal=true").net == Net(size=28, causal=True)


def test_names_may_be_nested_dotted_flat_or_with_dashes(tmp_path: Path) -> None:
    for text in (
        "loop: {steps: 7}\nnet: {size: 9}",
        "loop.steps: 7\nnet.size: 9",
        "steps: 7\nsize: 9",
    ):
        config = parse("--out", "x", "--config", written(tmp_path, text))
        assert (config.loop.steps, config.net.size) == (7, 9)
    tree = ConfigTree(Dashed)
    put_assignment("max-size=3", tree)
    assert tree.draft().max_size == 3


@dataclass(frozen=True)
class Dashed:
    max_size: int = 0


def test_values_are_read_by_the_type_of_the_field(tmp_path: Path) -> None:
    # In YAML 1.1, 1e-3 is a text.
    text = "lr: 1e-3\nout: 'runs/1'\ndata: '007'\nnet: {widths: [], scales: [1, b], size: null}"
    config = parse("--config", written(tmp_path, text))
    assert config == Train(
        Path("runs/1"), "007", Loop(lr=1e-3), Net(widths=(), scales=(1.0, "b"), size=None)
    )
    assert isinstance(config.net.scales[0], float)


@dataclass(frozen=True)
class Lists:
    numbers: list[int] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    pairs: tuple[tuple[int, float], ...] = ()


def test_lists_and_tuples_of_tuples(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    config = Lists([1, 2], ["a", "None"], ((1, 2.0), (3, 1e-9)))
    write_yaml(path, config)
    tree = ConfigTree(Lists)
    read_config(path, tree)
    assert build(Lists, tree.draft()) == config
    path.write_text("numbers: [true]")
    with pytest.raises(InputError, match=r"numbers is \[True\], which is not of type"):
        read_config(path, tree)


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("lr=3e-4", 3e-4),
        ("lr=2", 2.0),
        ("data=007", "007"),
        ("data=", ""),
        ("data=a=b", "a=b"),
        ("decay=cosine", "cosine"),
        ("net.size=null", None),
        ("net.size=None", None),
        ("net.size=-3", -3),
        ("widths=[3, 4]", (3, 4)),
        ("widths=3", (3,)),
        ("scales=[3, x]", (3.0, "x")),
        ("causal=true", True),
        ("causal=False", False),
        ("start=a b/c", Path("a b/c")),
    ],
)
def test_assignments(assignment: str, value: object) -> None:
    config = parse("--out", "x", "--set", assignment)
    found = {
        **dataclasses.asdict(config),
        **dataclasses.asdict(config.loop),
        **dataclasses.asdict(config.net),
    }[assignment.split("=")[0].split(".")[-1]]
    assert (found, type(found)) == (value, type(value))


def test_the_last_assignment_counts() -> None:
    assert parse("--out", "x", "--set", "lr=1", "--set", "lr=2").loop.lr == 2.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz: 3", "line 1: there is no setting stepz; did you mean steps?"),
        ("loop:\n  stepz: 3", "line 2: there is no setting loop.stepz; did you mean loop.ste"),
        ("lop: {steps: 3}", "line 1: there is no setting lop; did you mean loop"),
        ("qqq: 3", "line 1: there is no setting qqq; --help lists them"),
        ("steps: fast", "line 1: loop.steps is 'fast', which is not of type INT; give one"),
        ("steps: 1.5", "loop.steps is 1.5, which is not of type INT"),
        ("steps: yes", "loop.steps is True, which is not of type INT"),
        ("steps:", "loop.steps is None, which is not of type INT"),
        ("steps: {a: 1}", "loop.steps is {'a': 1}, which is not of type INT"),
        ("steps: 2020-01-01", "loop.steps is datetime.date(2020, 1, 1), which is not of"),
        ("decay: cosin", "loop.decay is 'cosin'; give one of constant, cosine"),
        ("causal: 1", "net.causal is 1; give one of True, False"),
        # 007 is 7 in YAML, and yes is true: to guess what was meant would change it.
        ("data: 007", "data is 7, which is not of type STR; give one, in quotes"),
        ("data: yes", "data is True, which is not of type STR; give one, in quotes"),
        ("out: 7", "out is 7, which is not of type PATH"),
        ("start: 'None'", "net.start is 'None', which is not of type {None}|PATH"),
        ("widths: 3", "net.widths is 3, which is not of type [INT [INT ...]]"),
        ("widths: [3, a]", "net.widths is [3, 'a'], which is not of type"),
        ("widths: [true]", "net.widths is [True], which is not of type"),
        ("scales: [3]", "net.scales is [3], which is not of type FLOAT STR"),
        ("scales: [3, 4]", "net.scales is [3, 4], which is not of type FLOAT STR"),
        ("loop: 3", "line 1: loop is a group of settings; give NAME: VALUE, such as loop.steps"),
        ("- 3", "line 1: these are no settings; give NAME: VALUE, such as out, data"),
        ("a", "line 1: these are no settings"),
        ("[a]: 3", "line 1: a setting has a list as its name"),
        ("lr: 1\nlr: 2", "line 2: loop.lr is already given in line 1; keep one of them"),
        ("lr: 1\nloop: {lr: 2}", "line 2: loop.lr is already given in line 1"),
        ("lr: [1", "line 1: expected ',' or ']', but got '<stream end>'; give valid YAML"),
        ("lr: 1\n---\nlr: 2", "line 2: but found another document; give valid YAML"),
        ("lr: !!python/object:os.x 1", "line 1: could not determine a constructor for the tag"),
        ("lr: \x07", "give valid YAML"),
        ("steps: 0", "--steps 0: give at least 1"),
    ],
)
def test_a_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        parse("--out", "x", "--config", file)
    assert message in str(caught.value)
    assert file in str(caught.value) or text == "steps: 0"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"run.yaml: not a text file; give YAML"):
        parse("--config", str(tmp_path / "run.yaml"))


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert parse("--out", "x", "--config", written(tmp_path, "# nothing\n")) == Train(Path("x"))


@dataclass(frozen=True)
class Two:
    """Two groups with the same names."""

    first: Loop = field(default_factory=Loop)
    second: Loop = field(default_factory=Loop)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "stepz=3"], "--set stepz=3: there is no setting stepz; did you mean ste"),
        (["--set", "steps=fast"], "--set steps=fast: loop.steps is 'fast', which is not of"),
        (["--set", "size=[1"], "--set size=[1: net.size is '[1', which is not of type {None}|INT"),
        (["--set", "steps"], "--set steps: give a setting and its value, such as --set seed="),
        (["--set", "loop=3"], "loop is a group; give one of loop.steps, loop.lr, loop.decay"),
        (["--set", "steps=0"], "--steps 0: give at least 1"),
        (["--set"], "--set"),
        (["--stepz", "3"], "error: there is no option --stepz; did you mean --steps?; see p"),
        (["--net.size_=3"], "there is no option --net.size_; did you mean --net.size?"),
        (["--confg", "a.yaml"], "there is no option --confg; did you mean --config?"),
        (["--quite-another"], "there is no option --quite-another; see prog train --help"),
        (["--preset", "smal"], "--preset smal: there is no such preset; did you mean small?"),
        (["--preset", "vast"], "--preset vast: there is no such preset; give one of small, large"),
    ],
)
def test_a_command_line_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run("train", "--out", "x", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_an_unknown_option_is_named_though_another_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("train", "--stepz", "3") == 2  # no --out
    assert "no option --stepz; did you mean --steps?" in capsys.readouterr().err
    assert run("two", "--preset", "small") == 2
    assert "there is no option --preset; did you mean --set?" in capsys.readouterr().err


def test_a_name_that_fits_two_settings_is_asked_about() -> None:
    with pytest.raises(InputError, match=r"lr could be first.lr and second.lr; say which"):
        parse_options(Two, "prog two", ["--set", "lr=3"])


def test_a_missing_file_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("train", "--config", str(tmp_path / "no.yaml")) == 2
    assert "no.yaml: No such file or directory" in capsys.readouterr().err


def run(*arguments: str, presets: Any = PRESETS) -> int:
    offered = {"train": presets} if presets else None
    commands: dict[str, command.Command] = {"train": (Train, print), "two": (Two, print)}
    return command.run("prog", "1", commands, arguments, presets=offered)


def test_help_tells_of_sources_and_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--help") == 0
    out = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Train something." in out
    assert "options go before --set, --set before --config, and --config before --preset" in out
    assert "--preset" in out
    assert run("two", "--help") == 0
    assert "--preset" not in capsys.readouterr().out


def test_presets_show_only_where_they_differ(capsys: pytest.CaptureFixture[str]) -> None:
    assert differences(Train, PRESETS) == {
        "loop.steps": ["100", "10", "5000"],
        "loop.lr": ["0.001", "0.001", "0.0001"],
        "net.widths": ["(8, 16)", "(8, 16)", "(32, 64)"],
        "net.size": ["28", "28", "None"],
    }
    assert run("presets") == 0
    out = capsys.readouterr().out
    assert "prog train --preset NAME" in out
    assert "large" in out
    assert "steps 10" in out
    assert "causal" not in out


def test_without_presets_there_is_no_such_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("presets", presets=None) == 2
    assert "presets" in capsys.readouterr().err
