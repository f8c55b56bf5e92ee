"""Downloads a checkpoint or a data set, and verifies it before renaming it."""

import shutil
from pathlib import Path

from robomtl import checkpoint
from robomtl.arguments import checked
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.evaluation.results import RESULTS, Results
from robomtl.files.lock import locked, make_folder
from robomtl.files.paths import located
from robomtl.files.untrusted import LIMIT
from robomtl.hub.repository import Kind, Repository, answering, find, hub

_DATASETS = "datasets/"  # Prefix of data sets in addresses of the hub.
_OF_THE_CLIENT = ".cache"


@checked
def pull(repository: str, *, out: Path | str) -> Path:
    """Downloads a policy or demonstrations from the hub; returns the new folder.

    After an interruption, downloaded files are kept beside the folder, and the same call
    resumes.

    Args:
        repository: Owner and name of the repository. The prefix ``datasets/`` is only
            needed if a policy has the same name.
        out: The new folder, which must not exist.

    Raises:
        InputError: If the folder exists, the hub does not answer or refuses, or the
            repository does not exist, has another format, does not fit on the disk, or
            has invalid files.
    """
    folder = located(out)
    if folder.exists():
        raise InputError(f"{folder} exists; name another folder by --out.")
    found = _find(repository)
    found.check()
    make_folder(folder.parent)
    _check_sizes(found, folder.parent)
    staging = folder.with_name(f".{folder.name}.pulled")
    with locked(staging):
        _download(found, staging)
        try:
            _verify(found, staging)
        except InputError as error:
            shutil.rmtree(staging)
            reason = str(error).replace(f"{staging}", found.name)
            raise InputError(f"{found.name} cannot be used: {reason}") from error
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
        f"{hub().endpoint} has no repository '{name}' that you can read; if it is private,"
        " log in with 'hf auth login'."
    )


def _check_sizes(found: Repository, folder: Path) -> None:
    large = [
        path
        for path in found.files
        if path.endswith(".json") and found.sizes[path] > LIMIT
    ]
    if large:
        raise InputError(
            f"{found.name} contains {large[0]} of {found.sizes[large[0]]:,} bytes; JSON"
            f" files of at most {LIMIT:,} bytes are read."
        )
    needed, free = sum(found.sizes.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{found.name} needs {needed / 1e9:,.1f} GB, and the disk of {folder} has"
            f" {free / 1e9:,.1f} GB free; nothing was downloaded."
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
    """Checks the downloaded files, and reads them as their users will.

    Raises:
        InputError: If a file is missing, has another size than listed, or is damaged.
    """
    for path in found.files:
        file, size = staging / path, found.sizes[path]
        if not file.is_file() or file.is_symlink() or file.stat().st_size != size:
            raise InputError(
                f"{file} is not a regular file of {size:,} bytes, as the hub listed it."
            )
    if found.kind == "dataset":
        Demonstrations(staging, beyond="clip")
        return
    checkpoint.load(staging)
    for path in found.files:
        if path.endswith(f"/{RESULTS}"):
            Results.read((staging / path).parent)
