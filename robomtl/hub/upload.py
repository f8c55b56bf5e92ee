"""Uploads a checkpoint or a data set to the hub, in one commit with its card."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from robomtl import checkpoint
from robomtl.arguments import checked
from robomtl.demonstrations import Demonstrations
from robomtl.demonstrations.collect_missing import data_sets_in
from robomtl.demonstrations.layout import INFO
from robomtl.errors import InputError
from robomtl.evaluation.results import RESULTS, TRIALS, Results
from robomtl.files.folder_kinds import POLICY
from robomtl.files.paths import located
from robomtl.files.run_record import read_record
from robomtl.hub.card import data_card, policy_card
from robomtl.hub.repository import (
    CARD,
    CommitOperationAdd,
    CommitOperationDelete,
    Kind,
    Repository,
    answering,
    belongs,
    find,
    hub,
)
from robomtl.names import file_name

_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]{0,60}")


@checked
def push(
    folder: Path | str,
    repository: str,
    *,
    evaluations: Sequence[Path | str] = (),
    license_name: str = "unknown",
    private: bool | None = None,
) -> str:
    """Uploads a policy or demonstrations with a card; returns the address of the commit.

    A missing repository is created. The files of an earlier push are replaced; the hub
    keeps its history.

    Args:
        folder: Run directory of a policy, or folder of a data set.
        repository: Owner and name of the repository.
        evaluations: Folders of evaluations of the policy, for its card, in addition to
            those in its run directory.
        license_name: The hub's name of a licence, such as apache-2.0.
        private: Whether a new repository is private; None for the owner's default.

    Raises:
        InputError: If the folder is neither or contains several data sets, an evaluation is
            of another policy, the hub does not answer or refuses, or the repository has
            another format.
    """
    if not _LICENCE.fullmatch(license_name):
        raise InputError(
            f"The licence is '{license_name}'; give the hub's name of one, such as"
            " apache-2.0, mit, cc-by-4.0 or other."
        )
    source = located(folder)
    _refuse_several(source)
    kind: Kind = "dataset" if (source / INFO).exists() else "model"
    if kind == "dataset":
        if evaluations:
            raise InputError(f"{source} is a data set, which has no evaluations.")
        shown = Demonstrations(source, beyond="clip")
        text = data_card(repository, shown, license_name=license_name)
        files = _files(source, kind)
    else:
        text, files = _policy(source, repository, evaluations, license_name)
    before = find(repository, kind)
    if before is not None and before.files:
        before.check()
    return _commit(before, repository, kind, {CARD: text.encode(), **files}, private)


def _refuse_several(folder: Path) -> None:
    """Refuses the folder of the data sets of several robots."""
    first = data_sets_in(folder)[0]
    if first != folder and not (folder / POLICY).exists():
        raise InputError(
            f"{folder} contains data sets, such as {first}; push each to a repository of"
            " its own."
        )


def _files(folder: Path, kind: Kind) -> dict[str, Path | bytes]:
    """The files of a folder that are uploaded, by their path in the repository."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: path for name, path in named.items() if belongs(kind, name)}


def _policy(
    folder: Path, repository: str, others: Sequence[Path | str], license_name: str
) -> tuple[str, dict[str, Path | bytes]]:
    """The card and the files of a policy with its evaluations."""
    trained = checkpoint.load(folder)
    found = _evaluations(folder, trained.fingerprint, others)
    results = {name: Results.read(path) for name, path in found.items()}
    record = read_record(folder)
    text = policy_card(
        repository,
        trained.card,
        results,
        license_name=license_name,
        training={} if record is None else record.training,
    )
    played: dict[str, Path | bytes] = {
        f"evaluations/{name}/{file}": path / file
        for name, path in found.items()
        for file in (RESULTS, TRIALS)
    }
    return text, {**_files(folder, "model"), **played}


def _evaluations(
    folder: Path, fingerprint: str, others: Sequence[Path | str]
) -> dict[str, Path]:
    """Folders of the policy's evaluations, by their name in the repository."""
    inside = sorted(path.parent for path in folder.glob(f"*/{RESULTS}"))
    known = sorted(path.parent for path in folder.glob(f"evaluations/*/{RESULTS}"))
    found: dict[str, Path] = {}
    for path in [*known, *inside, *map(located, others)]:
        of = Results.read(path).setting.fingerprint.split()[0]
        if of != fingerprint:
            raise InputError(
                f"The evaluation {path} is of another policy than that of {folder}; leave it"
                " out, or evaluate this one."
            )
        same = found.setdefault(file_name(path.name), path)
        if same.resolve() != path.resolve():
            raise InputError(
                f"Two evaluations would have the same name in the repository: {same} and"
                f" {path}; rename one of the folders."
            )
    return found


def _commit(
    before: Repository | None,
    name: str,
    kind: Kind,
    files: dict[str, Path | bytes],
    private: bool | None,
) -> str:
    api = hub()
    gone = (
        [] if before is None else [path for path in before.files if path not in files]
    )
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(path, content) for path, content in files.items()),
        *(CommitOperationDelete(path) for path in gone),
    ]
    with answering(name), warnings.catch_warnings():
        if before is None:
            api.create_repo(name, repo_type=kind, private=private, exist_ok=True)
        # The hub warns of trials, which are parquet files, beside a policy.
        warnings.filterwarnings("ignore", message=".*commit a data file")
        commit = api.create_commit(
            name,
            operations,
            repo_type=kind,
            commit_message="Push by robomtl",
            parent_commit=before.commit if before and before.commit else None,
        )
    return str(commit.commit_url)
