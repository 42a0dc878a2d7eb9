"""Files, folders and names on the Hugging Face hub -> tokenizers."""

from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_core.reading import read_bytes
from infonoise_text.tokenizers.base import Tokenizer
from infonoise_text.tokenizers.characters import CHARACTERS_FILE, Characters
from infonoise_text.tokenizers.huggingface import JSON_FILE, HuggingFace
from infonoise_text.tokenizers.pairs import FILLED, PAIRS_FILE, PairTokenizer
from infonoise_text.tokenizers.sentencepiece import MODEL_FILE, SentencePiece
from infonoise_text.tokenizers.stages import BASE_FILE, UPON, TwoStages

# The largest in use have 20 MB.
_TOKENIZER_BYTES = 256 << 20


def load_tokenizer(source: str | Path, name: str | None = None) -> Tokenizer:
    """The tokenizer at `source`.

    Args:
        source: A sentencepiece .model file, a Hugging Face tokenizer.json, our characters.json, a
            folder that holds one of them (with `pairs.safetensors` beside it, the pairs learnt on
            top), the name of a tokenizer on the Hugging Face hub, or BASE+CODES: a tokenizer.json
            of codes over the ids of another of Hugging Face, such as gpt2+codes.json.
        name: For people; from the source by default.

    Raises:
        InputError: Where there is none.
    """
    path = Path(source)
    if path.is_dir():
        return _load_folder(path, name or path.resolve().name)
    if not path.exists():
        base, upon, codes = str(source).rpartition(UPON)
        if upon and base and Path(codes).is_file():
            return _two_stages(load_tokenizer(base), Path(codes), name or f"{base}{UPON}{codes}")
        if path.suffix == ".model" or path.suffix == ".json" or path.is_absolute():
            raise InputError(f"{source}: no tokenizer here; give a .model file or a tokenizer.json")
        return _load_from_hub(str(source), name or str(source))
    content = read_bytes(path, _TOKENIZER_BYTES)
    if path.name == CHARACTERS_FILE:
        return Characters.load(path)
    if path.suffix != ".json":
        return SentencePiece(content, name or path.stem)
    return HuggingFace(_text(content, path), name or path.stem)


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8") from error


def _two_stages(base: Tokenizer, codes: Path, name: str) -> TwoStages:
    if not isinstance(base, HuggingFace):
        raise InputError(
            f"{base.name}: codes are over the ids of a tokenizer.json of Hugging Face; give one"
        )
    return TwoStages(base, _text(read_bytes(codes, _TOKENIZER_BYTES), codes), name)


def _load_folder(folder: Path, name: str) -> Tokenizer:
    # With pairs, `name` is that of both together.
    name = name.partition(FILLED)[0]
    if (folder / BASE_FILE).is_file() and (folder / JSON_FILE).is_file():
        return _two_stages(load_tokenizer(folder / BASE_FILE), folder / JSON_FILE, name)
    for file in (folder / MODEL_FILE, folder / JSON_FILE, folder / CHARACTERS_FILE):
        if file.is_file():
            tokenizer = load_tokenizer(file, name)
            if (folder / PAIRS_FILE).is_file():
                return PairTokenizer.load(tokenizer, folder / PAIRS_FILE)
            return tokenizer
    raise InputError(
        f"{folder}: no tokenizer here; {MODEL_FILE}, {JSON_FILE} or {CHARACTERS_FILE} is missing"
    )


def _load_from_hub(source: str, name: str) -> Tokenizer:
    library = require(
        "tokenizers", "infonoise-text[hf]", f"{source} is no file, and a tokenizer of the hub"
    )
    try:
        definition = library.Tokenizer.from_pretrained(source).to_str()
    except Exception as error:  # the library raises nothing narrower
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{source}: neither a file nor a tokenizer on the Hugging Face hub ({reason})"
        ) from error
    return HuggingFace(definition, name)
