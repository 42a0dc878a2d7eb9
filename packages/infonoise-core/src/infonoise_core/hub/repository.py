"""Models and profiles on the Hugging Face hub; the package huggingface_hub behind an extra."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from infonoise_core.errors import InputError
from infonoise_core.training.artifact import CARD_FILE

PREFIX = "hf:"
# What a repository that was made by hand may hold before anything of ours is in it.
_EMPTY = {".gitattributes", "README.md", "LICENSE"}
# Characters of what the client says that are passed on.
_SAID = 200
_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True)
class Repository:
    """A repository on the hub.

    Attributes:
        name: OWNER/NAME.
        revision: Branch, tag or commit; None for the newest.
        package: Whose extra [hub] is named where huggingface_hub is missing.
    """

    name: str
    revision: str | None
    package: str

    def __str__(self) -> str:
        at = "" if self.revision is None else f"@{self.revision}"
        return f"{PREFIX}{self.name}{at}"

    def check(self, *, overwrite: bool) -> None:
        """InputError where `upload` would be refused, or would replace what it should not."""
        hub = self._library()
        if self.revision is not None:
            raise InputError(f"{self}: a push has no revision; give {PREFIX}{self.name}")
        with self._told(hub):
            if hub.get_token() is None:
                raise InputError(f"{self}: not logged in to the hub; {_LOG_IN}")
            try:
                files = set(hub.HfApi().list_repo_files(self.name))
            except hub.errors.RepositoryNotFoundError:
                return  # upload makes it
        if CARD_FILE not in files and not files <= _EMPTY:
            raise InputError(f"{self}: holds files that no push wrote; give another name")
        if CARD_FILE in files and not overwrite:
            raise InputError(f"{self} exists: give another name or --overwrite")

    def upload(self, folder: Path, message: str, *, private: bool) -> str:
        """Make the folder's files those of the repository, in one commit; returns its address."""
        hub = self._library()
        with self._told(hub):
            api = hub.HfApi()
            address = api.create_repo(self.name, private=private or None, exist_ok=True)
            api.upload_folder(
                repo_id=self.name,
                folder_path=folder,
                commit_message=message,
                delete_patterns=["*"],
            )
        return str(address)

    def download(self, folder: Path, names: Sequence[str]) -> "Repository":
        """Fetch those of the files named that are there.

        Returns:
            The repository at the commit they are of.
        """
        hub = self._library()
        with self._told(hub):
            commit = hub.HfApi().model_info(self.name, revision=self.revision).sha
            hub.snapshot_download(
                self.name, revision=commit, local_dir=folder, allow_patterns=list(names)
            )
        return Repository(self.name, commit, self.package)

    def _library(self) -> ModuleType:
        try:
            import huggingface_hub
            import huggingface_hub.errors
        except ImportError:
            raise InputError(
                f"{self}: the hub needs huggingface_hub: pip install '{self.package}[hub]'"
            ) from None
        return huggingface_hub

    @contextmanager
    def _told(self, hub: ModuleType) -> Iterator[None]:
        """Say in one line what the hub refuses."""
        errors = hub.errors
        try:
            yield
        except errors.GatedRepoError:
            raise InputError(f"{self}: access has to be granted; ask for it on its page") from None
        except errors.RevisionNotFoundError:
            raise InputError(
                f"{self}: no such revision; give a branch, tag or commit that is there"
            ) from None
        except errors.RepositoryNotFoundError:
            raise InputError(
                f"{self}: no such repository, or a private one; check the name, or {_LOG_IN}"
            ) from None
        except errors.HfHubHTTPError as error:
            if error.response is not None and error.response.status_code in (401, 403):
                raise InputError(
                    f"{self}: the hub refuses this token; {_LOG_IN}, with one that may write there"
                ) from None
            raise InputError(f"{self}: {_in_short(error)}; try again later") from None
        except InputError:
            raise
        # Wrong names, no network, offline mode: errors without a common parent.
        except Exception as error:
            raise InputError(
                f"{self}: the hub cannot be reached or does not take this ({_in_short(error)})"
            ) from None


def repository(text: str, package: str) -> Repository | None:
    """Of "hf:OWNER/NAME" or "hf:OWNER/NAME@REVISION"; None for a folder.

    Args:
        package: The one whose extra [hub] brings what is needed.
    """
    if not text.startswith(PREFIX):
        return None
    name, _, revision = text.removeprefix(PREFIX).partition("@")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) is None:
        raise InputError(f"{text}: give {PREFIX}OWNER/NAME")
    return Repository(name, revision or None, package)


def _in_short(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _SAID else f"{words[:_SAID]} ..."
