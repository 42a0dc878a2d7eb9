"""Options that have no say: refused where something new begins, taken as they are elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from infonoise_core.config.idle import Idle, refuse_idle
from infonoise_core.errors import InputError


@dataclass(frozen=True)
class Inner:
    far_away: float = 0.5
    names: tuple[str, ...] = ()
    flag: bool = False
    many: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Outer:
    """Its own option, and one of its group's, hang on the mode."""

    mode: str = "plain"
    depth: int | None = None
    inner: Inner = field(default_factory=Inner)

    def idle(self) -> Iterator[Idle]:
        if self.mode == "plain":
            yield Idle(self, "depth", "is of mode deep; give --mode deep")
            yield Idle(self.inner, "far_away", "takes --mode deep", none=0)
            for name in ("flag", "many"):
                yield Idle(self.inner, name, "takes --mode deep")


@dataclass(frozen=True)
class Command:
    options: Outer


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Outer(depth=3), "--depth 3: is of mode deep; give --mode deep, or leave it out"),
        (Outer(inner=Inner(far_away=2.0)), "--far-away 2: takes --mode deep, or leave it out"),
        (Outer(inner=Inner(flag=True)), "--flag: takes --mode deep, or leave it out"),
        (Outer(inner=Inner(many=[1])), "--many [1]: takes --mode deep, or leave it out"),
    ],
)
def test_what_is_given_without_a_say(given: Outer, words: str) -> None:
    with pytest.raises(InputError) as caught:
        refuse_idle(Command(given))
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "given",
    [
        Outer(),
        Outer("deep", 3, Inner(2.0, flag=True)),
        Outer(inner=Inner(names=("a",))),
        Outer(inner=Inner(far_away=0.0)),
    ],
)
def test_defaults_and_those_with_a_say_pass(given: Outer) -> None:
    refuse_idle(Command(given))
