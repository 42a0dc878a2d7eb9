"""Programs that torch.export wrote (.pt2), loaded without running anything that they bring along.

`torch.export.load` trusts its file: it unpickles what is marked so, evaluates sizes and guards as
Python, calls operators by any name below `torch` and opens compiled libraries. So the archive is
taken apart here first; what is plain is written anew, and only that is given to torch: numbers of
tensors, and a graph of operators of ATen. Everything else is refused, with what it is.
"""

import io
import json
import keyword
import math
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.reading import ZIP_DAMAGE, check_fits, check_regular, parse_json, size_words

# Of the JSON of a program: a network of ten thousand operators has 20 MB.
_JSON_BYTES = 256 << 20
# Operators that read or write files, or talk.
_REFUSED = frozenset({"from_file", "save", "load", "_print", "warn"})
_OPERATOR = re.compile(r"torch\.ops\.aten\.(?P<name>[a-z_]\w*)(\.\w+)?")
_ARITHMETIC = re.compile(
    r"_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pos|pow|eq|ne|lt|le|gt|ge|and_|or_|getitem)"
    r"|math\.(ceil|floor|trunc)|torch\.sym_(int|float|max|min|not|ite|sum|sqrt)"
)
_PLAIN = re.compile(r"[\w ,.:+<>\-]*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Sizes, such as s77, Max(1, s77 - 4) or Symbol('s77', integer=True); no attribute, no bracket but
# of calls to these, and no large power.
_SIZE = re.compile(
    r"(?P<word>[A-Za-z_]\w*)|'[a-z]{1,4}\d+'|\d{1,18}(\.\d{1,18})?|\*\*[1-4]\b|[-+*/(),<>=&|~ ]"
)
_SIZE_WORD = re.compile(
    r"[a-z]{1,4}\d+|Max|Min|FloorDiv|Mod|PythonMod|CleanDiv|CeilDiv|TrueDiv|IntTrueDiv"
    r"|FloatTrueDiv|ModularIndexing|Symbol|Integer|Mul|Add|Eq|Ne|Lt|Le|Gt|Ge|And|Or|Not|Piecewise|True|False|int_oo|oo"
    r"|positive|nonnegative|integer|real|finite|commutative"
)
_MODEL = "model"
_WEIGHTS, _CONSTANTS = "data/weights/", "data/constants/"
_PROGRAM = f"models/{_MODEL}.json"
_CONFIGS = (
    (_WEIGHTS, f"{_WEIGHTS}{_MODEL}_weights_config.json"),
    (_CONSTANTS, f"{_CONSTANTS}{_MODEL}_constants_config.json"),
)
_SAMPLES = f"data/sample_inputs/{_MODEL}.pt"
# What torch notes for itself, and what a user's notes lie in: not carried over.
_LEFT_OUT = (".data/", ".format_version", ".storage_alignment", "version", "byteorder", "extra/",
             "archive_format", "archive_version", _SAMPLES)  # fmt: skip


def load_program(path: Path) -> nn.Module:
    """The module of a .pt2.

    Raises:
        InputError: For what is no such program, and for one that is more than a graph of ATen's
            operators with plain tensors.
    """
    check_regular(path)
    try:
        clean = _clean_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(clean).module()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # whatever a file that is no program makes of torch's reader
        raise InputError(
            f"{path}: is no program that torch.export.save wrote"
            f" ({' '.join(str(error).split())[:200]})"
        ) from None


def _clean_archive(path: Path) -> io.BytesIO:
    try:
        with zipfile.ZipFile(path) as archive:
            return _rewritten(archive)
    except (InputError, FileNotFoundError):
        raise
    except ZIP_DAMAGE:
        raise InputError(
            "is no program that torch.export.save wrote; export the model with it, TorchScript and"
            " torch.save are not read"
        ) from None


def _rewritten(archive: zipfile.ZipFile) -> io.BytesIO:
    """The parts of an archive that are plain, as an archive of their own."""
    members = _members(archive)
    if _PROGRAM not in members:
        raise InputError(_what_it_is(members))
    parts: dict[str, Any] = {_PROGRAM: _program(_json(archive, members, _PROGRAM))}
    for folder, config in _CONFIGS:
        payloads = _payloads(_json(archive, members, config), folder, members)
        parts[config] = payloads
        for name in {meta["path_name"] for meta in payloads["config"].values()}:
            parts[folder + name] = archive.read(members[folder + name])
    strange = [n for n in members if n not in parts and not n.startswith(_LEFT_OUT)]
    if strange:
        raise InputError(f"holds {strange[0]}, which could run code; {_ADVICE}")
    clean = io.BytesIO()
    with zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as out:
        plain = {"archive_format": b"pt2", "archive_version": b"0", ".data/version": b"6\n",
                 "byteorder": b"little", _SAMPLES: b""}  # fmt: skip
        for name, content in (plain | parts).items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            out.writestr(f"{_MODEL}/{name}", data)
    clean.seek(0)
    return clean


_ADVICE = "export the network alone, with torch.export.save and plain tensors"


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """By their names below the one folder that all lie in."""
    infos = archive.infolist()
    roots = {info.filename.partition("/")[0] for info in infos}
    members = {info.filename.partition("/")[2]: info for info in infos}
    if len(roots) != 1 or len(members) != len(infos):
        raise InputError("is no program that torch.export.save wrote, or one before 2.8")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise InputError("is packed, as torch packs no archive")
    check_fits(2 * sum(info.file_size for info in infos), "it")
    return members


def _what_it_is(members: dict[str, zipfile.ZipInfo]) -> str:
    if any(name.startswith("code/") or name == "constants.pkl" for name in members):
        return f"is TorchScript, which can run code; {_ADVICE}"
    if "data.pkl" in members:
        return f"is a pickle of torch.save, which can run code; {_ADVICE}"
    return "holds no program called model; write it with torch.export.save of torch 2.8 or later"


def _json(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str) -> Any:
    info = members.get(name)
    if info is None:
        raise InputError(f"{name} is missing; {_ADVICE}")
    if info.file_size > _JSON_BYTES:
        raise InputError(f"{name} is larger than {size_words(_JSON_BYTES)}")
    return parse_json(archive.read(info), name)


def _payloads(config: Any, folder: str, members: dict[str, zipfile.ZipInfo]) -> dict[str, Any]:
    """What a weights_config.json says, with nothing in it that is a pickle."""
    found: dict[str, Any] = {}
    for name, meta in config["config"].items():
        path = meta["path_name"]
        kind = "weight_" if folder == _WEIGHTS else "tensor_"
        if meta.get("use_pickle", True) or not path.startswith(kind):
            raise InputError(f"its tensor {name!r} is a pickle, which could run code; {_ADVICE}")
        if not _PLAIN.fullmatch(path) or folder + path not in members:
            raise InputError(f"its tensor {name!r} is missing")
        declared = math.prod(int(side["as_int"]) for side in meta["tensor_meta"]["sizes"])
        if not members[folder + path].file_size and declared:
            raise InputError(f"its tensor {name!r} is {declared} numbers without a byte of them")
        found[_checked(name, "name")] = _plain(meta)
    return {"config": found}


def _program(value: dict[str, Any]) -> dict[str, Any]:
    """The program without what is evaluated and is no part of what it computes."""
    graph_module = {**value["graph_module"], "metadata": {}, "treespec_namedtuple_fields": {}}
    clean: dict[str, Any] = _plain({**value, "guards_code": [], "graph_module": graph_module})
    return clean


def _plain(value: Any, key: str = "") -> Any:
    match value:
        case dict():
            if "as_custom_obj" in value or "as_operator" in value or "as_graph" in value:
                raise InputError(f"its graph holds more than operators on tensors; {_ADVICE}")
            return {
                _checked(k, "name"): {} if k == "metadata" else _plain(v, k)
                for k, v in value.items()
            }
        case list():
            return [_plain(v, key) for v in value]
        case str():
            return _checked(value, key)
        case _:
            return value


def _checked(text: str, key: str) -> str:
    if key == "target":
        found = _OPERATOR.fullmatch(text)
        sound = found["name"] not in _REFUSED if found else bool(_ARITHMETIC.fullmatch(text))
        what = "operator"
    elif key == "expr_str":
        sound, what = _is_size(text), "size"
    elif key in ("in_spec", "out_spec"):
        sound, what = _is_spec(text), "structure of its inputs"
    elif key in ("name", "as_name", "graph_name"):
        sound = _PLAIN.fullmatch(text) is not None and not keyword.iskeyword(text)
        sound &= key != "as_name" or _NAME.fullmatch(text) is not None
        sound &= " " not in text and len(text) <= 500
        what = "name"
    else:
        sound, what = _PLAIN.fullmatch(text) is not None, "text"
    if not sound:
        raise InputError(f"its {what} {text[:60]!r} could run code, or is none of ATen; {_ADVICE}")
    return text


def _is_size(text: str) -> bool:
    at = 0
    while at < len(text) <= 500:
        token = _SIZE.match(text, at)
        if token is None or (token["word"] and not _SIZE_WORD.fullmatch(token["word"])):
            return False
        at = token.end()
    return 0 < at == len(text) and "***" not in text


def _is_spec(text: str) -> bool:
    """Whether the JSON of a tree's structure has lists, tuples and dicts only."""
    if not text:
        return True
    version, tree = parse_json(text, "its structure")
    return version == 1 and _is_tree(tree)


def _is_tree(tree: Any) -> bool:
    if tree["type"] not in (None, "builtins.list", "builtins.tuple", "builtins.dict"):
        return False
    context = parse_json(tree["context"], "its structure") if tree["context"] else []
    names = context if isinstance(context, list) else [] if context is None else [None]
    plain = all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)
    return plain and all(map(_is_tree, tree["children_spec"]))
