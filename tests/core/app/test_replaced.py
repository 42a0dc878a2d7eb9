"""An evaluation that takes the place of another one says whose place that is."""

import json
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.app.evaluate import _say_replaced

HEAD = {"split": "test", "step": 4, "samples": 0}
TEXT = {"text": "a.txt", "digest": "12ab"}


@pytest.mark.parametrize(
    ("head", "about", "said"),
    [
        (HEAD, TEXT, ""),
        (HEAD, {}, ""),
        # Of the same name in another folder.
        (HEAD, {"text": "a.txt", "digest": "34cd"}, "was of digest 12ab and is replaced"),
        ({**HEAD, "step": 8}, TEXT, "was of step 4 and is replaced; --out keeps both"),
    ],
)
def test_what_is_replaced_is_named_where_it_is_of_something_else(
    tmp_path: Path, head: dict[str, Any], about: dict[str, Any], said: str, capsys: Any
) -> None:
    out = tmp_path / "evaluation.json"
    _say_replaced(out, HEAD, TEXT)
    assert not capsys.readouterr().err
    out.write_text(json.dumps({**HEAD, "about": TEXT}))
    _say_replaced(out, head, about)
    err = capsys.readouterr().err
    assert said in err if said else not err
