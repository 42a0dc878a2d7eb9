"""What a run keeps beside its weights, so that it speaks without the corpus it was trained on."""

from dataclasses import dataclass
from pathlib import Path

from infonoise_text.codes.book import CodeBook
from infonoise_text.codes.clusters import ClusterBook
from infonoise_text.data.corpus import Corpus
from infonoise_text.methods.options import Objective
from infonoise_text.tokenizers.base import Tokenizer
from infonoise_text.tokenizers.load import load_tokenizer

TOKENIZER_FOLDER, CODES_FILE = "tokenizer", "codes.safetensors"
CLUSTERS_FILE = "clusters.safetensors"


@dataclass(frozen=True)
class Assets:
    """The vocabulary of a run.

    Attributes:
        book: The codes of its tokens.
        clusters: The same with the bits of clusters ahead, of a run that has them.
    """

    tokenizer: Tokenizer
    book: CodeBook
    clusters: ClusterBook | None = None

    @classmethod
    def of(cls, corpus: Corpus, objective: Objective, clusters: int | None = None) -> "Assets":
        """Those of a corpus, which has the semantic codes where they are needed.

        Args:
            clusters: How many, or None for none.
        """
        book = corpus.codes(objective.book)
        if clusters is None:
            return cls(corpus.tokenizer, book)
        return cls(corpus.tokenizer, book, ClusterBook(book, corpus.codes("semantic"), clusters))

    @classmethod
    def open(cls, run: Path, tokenizer: str, clusters: int | None = None) -> "Assets":
        """Read what `save` wrote.

        Args:
            tokenizer: Its name, for people.
            clusters: How many, or None for none.

        Raises:
            InputError: Where something is missing or belongs to another tokenizer.
        """
        found = load_tokenizer(run / TOKENIZER_FOLDER, tokenizer)
        book = CodeBook.load(run / CODES_FILE, found.digest)
        if clusters is None:
            return cls(found, book)
        tree = CodeBook.load(run / CLUSTERS_FILE, found.digest)
        return cls(found, book, ClusterBook(book, tree, clusters))

    def save(self, out: Path) -> None:
        """Write into a run's folder what `open` reads."""
        (out / TOKENIZER_FOLDER).mkdir(exist_ok=True)
        self.tokenizer.save(out / TOKENIZER_FOLDER)
        self.book.save(out / CODES_FILE, self.tokenizer.digest)
        if self.clusters is not None:
            self.clusters.tree.save(out / CLUSTERS_FILE, self.tokenizer.digest)
