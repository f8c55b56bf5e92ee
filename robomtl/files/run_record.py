"""The file ``run.json`` of a run directory: data and settings of the training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robomtl.conditioning.conditioning import Kind
from robomtl.errors import InputError
from robomtl.files.folder_kinds import RUN as RUN
from robomtl.files.untrusted import read_json


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Request of a training run; the fields are in the order of the file.

    Fields with a default may be missing in files of earlier versions.
    """

    policy: str
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any]
    """Fields of the architecture's config."""
    conditioning: tuple[Kind, ...]
    """Kinds of conditioning, including the one that the objective infers."""
    objective: str = "cloning"
    """Registered name of the objective."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the objective."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Hash (``sha256``) and number of episodes of the demonstrations and of each data set
    of a mixture, and of the target domain of an objective that aligns features."""
    suite: str = ""
    """Name of the suite; empty if the demonstrations name none."""
    suite_options: Mapping[str, Any] = field(default_factory=dict)
    """Options with which ``robomtl.suite`` rebuilds the suite."""
    wordings: Mapping[str, Any] = field(default_factory=dict)
    """Hash (``sha256``) of the instructions."""
    start: Mapping[str, Any] | None = None
    """Hash and parts of the policy that training continued from."""
    vision_weights: str | None = None
    """Hash of the file of pre-trained weights of the image encoder."""
    training: Mapping[str, Any]
    """Settings of the training, by the names of the version that wrote them."""

    def __post_init__(self) -> None:
        """Checks the values that several readers rely on.

        Raises:
            ValueError: If the seed or the hash of the demonstrations is of another type.
        """
        if type(self.training.get("seed", 0)) is not int:
            raise ValueError(
                f"training.seed is {self.training['seed']}, not an integer"
            )
        if not isinstance(self.data.get("sha256", ""), str):
            raise ValueError(f"data.sha256 is {self.data['sha256']}, not a text")

    @property
    def seed(self) -> int:
        """Seed of the training; 0 if it was not recorded."""
        return int(self.training.get("seed", 0))

    @property
    def data_hash(self) -> str:
        """Hash of the demonstrations; empty if it was not recorded."""
        return str(self.data.get("sha256", ""))


def read_record(run: Path) -> RunRecord | None:
    """The record of a run directory; None if it has none.

    Raises:
        InputError: If the file is damaged.
    """
    path = run / RUN
    return read_json(path, RunRecord) if path.exists() else None


def needed_record(run: Path) -> RunRecord:
    """The record of a run directory that must have one.

    Raises:
        InputError: If the file is missing or damaged.
    """
    record = read_record(run)
    if record is None:
        raise InputError(f"{run} has no {RUN}, so its training is unknown.")
    return record
