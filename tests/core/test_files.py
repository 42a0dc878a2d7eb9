"""A folder is there whole or not at all."""

import pytest

from infonoise_core.files import whole_folder


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def fail(out, error):
    with whole_folder(out) as draft:
        (draft / "new").write_text("1")
        raise error


def test_a_folder_appears_when_it_is_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with whole_folder(out) as draft:
        (draft / "a").write_text("1")
        assert not out.exists()
    assert content(out) == {"a": "1"}
    assert list(out.parent.iterdir()) == [out]


def test_it_takes_the_place_of_an_old_one(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("0")
    with whole_folder(out) as draft:
        (draft / "new").write_text("1")
        assert content(out) == {"old": "0"}
    assert content(out) == {"new": "1"}
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_one_and_nothing_else(tmp_path, error):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("0")
    with pytest.raises(error):
        fail(out, error)
    assert content(out) == {"old": "0"}
    assert list(tmp_path.iterdir()) == [out]


def test_what_a_killed_process_had_put_aside_comes_back(tmp_path):
    # Killed between the two renames: the old folder is aside, the new one not yet in its place.
    aside = tmp_path / ".out.replaced"
    aside.mkdir()
    (aside / "old").write_text("0")
    out = tmp_path / "out"
    with pytest.raises(ArithmeticError):
        fail(out, ArithmeticError)
    assert content(out) == {"old": "0"}
    assert list(tmp_path.iterdir()) == [out]
