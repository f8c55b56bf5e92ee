"""The file ``run.json`` of a run directory: what its policy was trained from, and how."""

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
    """The request with which a training began, in the order of the file.

    Fields with a default are missing in files of earlier versions.
    """

    policy: str
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any]
    """Fields of its config."""
    conditioning: tuple[Kind, ...]
    """Kinds of conditioning, with the one that the objective infers."""
    objective: str = "cloning"
    """Registered name of the objective."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Its settings."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Hash (``sha256``) and number of episodes of the demonstrations, their sets, and the
    same of the target domain with which an objective aligns features."""
    suite: str = ""
    """Name of the suite; empty if the demonstrations name none."""
    suite_options: Mapping[str, Any] = field(default_factory=dict)
    """Options with which ``robomtl.suite`` builds it again."""
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
    """The record of a run directory; None where it has none.

    Raises:
        InputError: If the file is damaged.
    """
    path = run / RUN
    return read_json(path, RunRecord) if path.exists() else None


def needed_record(run: Path) -> RunRecord:
    """The record of a run directory that must have one.

    Raises:
        InputError: If it has none, or it is damaged.
    """
    record = read_record(run)
    if record is None:
        raise InputError(f"{run} has no {RUN}, so it is not known how it was trained.")
    return record
