"""A checkpoint or a data set from the hub, verified before it takes its name."""

import shutil
from pathlib import Path

from robomtl import checkpoint
from robomtl.arguments import checked
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.evaluation.results import RESULTS, Results
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.untrusted import LIMIT
from robomtl.hub.repository import Kind, Repository, answering, find, hub

_DATASETS = "datasets/"  # Begins the hub's own addresses of data sets.
_OF_THE_CLIENT = ".cache"


@checked
def pull(repository: str, *, out: Path | str) -> Path:
    """The folder that receives a policy or demonstrations of the hub.

    What was downloaded before an interruption is kept beside the folder, and the same
    command goes on from there.

    Args:
        repository: Owner and name of the repository; ``datasets/`` may stand before them,
            which is only needed where a policy has the same name.
        out: The folder, which must not exist.

    Raises:
        InputError: If the folder exists, the hub does not answer or refuses, there is no
            such repository, or it holds another format, more than fits on the disk, or
            files that are not what they should be.
    """
    folder = located(out)
    if folder.exists():
        raise InputError(f"{folder} exists; name another folder by --out.")
    found = _find(repository)
    found.check()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _check_sizes(found, folder.parent)
    staging = folder.with_name(f".{folder.name}.pulled")
    with locked(staging):
        _download(found, staging)
        try:
            _verify(found, staging)
        except InputError as error:
            shutil.rmtree(staging)
            said = str(error).replace(f"{staging}", found.name)
            raise InputError(f"{found.name} cannot be used: {said}") from error
    staging.rename(folder)
    return folder


def _find(repository: str) -> Repository:
    name = repository.removeprefix(_DATASETS)
    kinds: tuple[Kind, ...] = (
        ("model", "dataset") if name == repository else ("dataset",)
    )
    for kind in kinds:
        found = find(name, kind)
        if found is not None:
            return found
    raise InputError(
        f"{hub().endpoint} has no repository '{name}' that you may read; if it is private, log in"
        " by 'hf auth login'."
    )


def _check_sizes(found: Repository, folder: Path) -> None:
    large = [
        path
        for path in found.files
        if path.endswith(".json") and found.sizes[path] > LIMIT
    ]
    if large:
        raise InputError(
            f"{found.name} holds {large[0]} of {found.sizes[large[0]]:,} bytes; of JSON, at"
            f" most {LIMIT:,} are read."
        )
    needed, free = sum(found.sizes.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{found.name} takes {needed / 1e9:,.1f} GB, and the disk of {folder} has"
            f" {free / 1e9:,.1f} GB left; nothing was downloaded."
        )


def _download(found: Repository, staging: Path) -> None:
    api = hub()
    with answering(found.name):
        for path in found.files:
            api.hf_hub_download(
                found.name,
                path,
                repo_type=found.kind,
                revision=found.commit,
                local_dir=staging,
            )
    shutil.rmtree(staging / _OF_THE_CLIENT, ignore_errors=True)


def _verify(found: Repository, staging: Path) -> None:
    """Reads everything as its users will."""
    for path in found.files:
        file, size = staging / path, found.sizes[path]
        if not file.is_file() or file.is_symlink() or file.stat().st_size != size:
            raise InputError(
                f"{file} is not the file of {size:,} bytes that was announced."
            )
    if found.kind == "dataset":
        Demonstrations(staging, beyond="clip")
        return
    checkpoint.load(staging)
    for path in found.files:
        if path.endswith(f"/{RESULTS}"):
            Results.read((staging / path).parent)
