"""Repositories of the hub: allowed files, requests, and errors as messages."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from robomtl.errors import InputError, MissingExtraError
from robomtl.files.folder_kinds import INFO, POLICY
from robomtl.files.untrusted import converted
from robomtl.plug_in import described

try:
    from httpx2 import TransportError
    from huggingface_hub import CommitOperationAdd as CommitOperationAdd
    from huggingface_hub import CommitOperationDelete as CommitOperationDelete
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )
except ImportError as error:
    raise MissingExtraError(
        "The hub needs huggingface_hub: pip install 'robomtl[hub]'"
    ) from error

Kind = Literal["model", "dataset"]

CARD = "README.md"
"""File that the hub shows on the page of a repository."""

_TIMEOUT = 10.0  # [s] For the hub to describe a repository.
_MOST_FILES = 100_000
_FILES: dict[Kind, re.Pattern[str]] = {
    "model": re.compile(
        r"(policy|run|versions|machine)\.json|policy\.safetensors"
        r"|evaluations/[\w.+@-]+/(results\.json|trials\.parquet)"
    ),
    "dataset": re.compile(
        r"meta/([\w.@-]+/)*[\w.@-]+\.(json|jsonl|parquet)"
        r"|data/([\w.@-]+/)*[\w.@-]+\.parquet"
        r"|videos/([\w.@-]+/)*[\w.@-]+\.mp4"
    ),
}
_NEEDED: dict[Kind, str] = {"model": POLICY, "dataset": INFO}
_OF_THE_HUB = (CARD, ".gitattributes")
_UNKNOWN = 2**62  # Size of a file if the hub does not state it: too large for any disk.
_Size = Annotated[int, Meta(ge=0, le=_UNKNOWN)]
_Commit = Annotated[str, Meta(pattern="^([0-9a-f]{40})?$")]
# Errors of the client for malformed answers, such as the page of a proxy.
_STRANGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository at one commit."""

    name: str
    """Owner and name of the repository."""
    kind: Kind
    """``model`` for a policy, ``dataset`` for demonstrations."""
    commit: str
    """Hash of the commit; empty if the repository has none yet."""
    sizes: dict[str, int]
    """Size of each file [bytes], by its path."""

    @property
    def files(self) -> list[str]:
        """Sorted paths of the files, without those of the hub itself."""
        return sorted(self.sizes.keys() - {*_OF_THE_HUB})

    def check(self) -> None:
        """Refuses a repository with files that robomtl does not write.

        Raises:
            InputError: If it has such a file or too many, or a required file is missing.
        """
        needed = _NEEDED[self.kind]
        if needed not in self.sizes:
            raise InputError(
                f"{self.name} has another format: it has no {needed}, which a"
                f" {self.kind} repository of robomtl has."
            )
        strange = [path for path in self.files if not belongs(self.kind, path)]
        if strange:
            raise InputError(
                f"{self.name} contains {strange[0]!r}, which is not a file of a"
                f" {self.kind} of robomtl: weights are safetensors, all else JSON, parquet"
                " and mp4 inside the folder. Other files, such as pickles, are never read."
            )
        if len(self.files) > _MOST_FILES:
            raise InputError(
                f"{self.name} contains {len(self.files):,} files; at most"
                f" {_MOST_FILES:,} are read."
            )


def hub() -> HfApi:
    """Client of the hub that ``HF_ENDPOINT`` names, by default Hugging Face's own."""
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)


def belongs(kind: Kind, path: str) -> bool:
    """Whether robomtl writes a file with this path into a repository of this kind."""
    return ".." not in path.split("/") and bool(_FILES[kind].fullmatch(path))


def find(name: str, kind: Kind) -> Repository | None:
    """A repository of the hub at its latest commit; None if none can be read.

    Raises:
        InputError: If the hub does not answer, or refuses.
    """
    with answering(name):
        try:
            info = (
                hub().model_info(name, files_metadata=True, timeout=_TIMEOUT)
                if kind == "model"
                else hub().dataset_info(name, files_metadata=True, timeout=_TIMEOUT)
            )
        except RepositoryNotFoundError:
            return None
        except (HfHubHTTPError, HFValidationError):
            raise
        except _STRANGE as error:
            raise InputError(
                f"{hub().endpoint} does not answer like a hub: {described(error)}."
                " Does HF_ENDPOINT name one?"
            ) from error
    where = f"The description of '{name}' on {hub().endpoint}"
    files = [(each.rfilename, each.size) for each in info.siblings or []]
    sizes = converted(files, list[tuple[str, _Size | None]], where=where)
    return Repository(
        name=name,
        kind=kind,
        commit=converted([info.sha or ""], list[_Commit], where=where)[0],
        sizes={path: _UNKNOWN if it is None else it for path, it in sizes},
    )


@contextmanager
def answering(name: str) -> Iterator[None]:
    """Converts errors of the hub in the block into messages.

    Args:
        name: Name of the repository.

    Raises:
        InputError: If the hub does not answer, or refuses.
    """
    endpoint = hub().endpoint
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise InputError(
            "HF_HUB_OFFLINE is set, so the hub is not contacted; unset it."
        ) from error
    except HFValidationError as error:
        raise InputError(
            f"'{name}' is not the name of a repository; give OWNER/NAME, of letters,"
            " digits, '-', '_' and '.'."
        ) from error
    except HfHubHTTPError as error:
        raise InputError(_refused(name, endpoint, error)) from error
    except (TransportError, LocalEntryNotFoundError, ConnectionError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, HfHubHTTPError):
            raise InputError(_refused(name, endpoint, cause)) from error
        reason = str(cause).partition("\n")[0] or type(cause).__name__
        raise InputError(
            f"{endpoint} does not answer ({reason}). Nothing is lost: run the same command"
            " again once it does."
        ) from error


def _refused(name: str, endpoint: str, error: HfHubHTTPError) -> str:
    code = error.response.status_code
    if code in (401, 403, 404):
        return (
            f"{endpoint} has no repository '{name}', or denies this access to it (HTTP"
            f" {code}); log in with 'hf auth login' and a token that has access."
        )
    reason = error.server_message or str(error).partition("\n")[0]
    return f"{endpoint} refuses '{name}' (HTTP {code}): {reason}"
