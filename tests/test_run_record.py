"""The typed record of a run."""

import json
from pathlib import Path
from typing import Any

import pytest

from robomtl.errors import InputError
from robomtl.files.run_record import RUN, RunRecord, needed_record, read_record

EARLIEST: dict[str, Any] = {
    "policy": "film",
    "policy_config": {"width": 96},
    "conditioning": ["language"],
    "training": {"seed": 3, "batch": 64},
}


def written(folder: Path, **changes: Any) -> Path:
    (folder / RUN).write_text(json.dumps(EARLIEST | changes))
    return folder


def test_a_record_of_an_earlier_version_has_the_defaults(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    record = needed_record(written(tmp_path))
    assert (record.seed, record.data_hash, record.objective) == (3, "", "cloning")
    assert record == RunRecord(
        policy="film",
        policy_config={"width": 96},
        conditioning=("language",),
        training={"seed": 3, "batch": 64},
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"seed": 0.5}}, "training.seed is 0.5, not an integer"),
        ({"data": {"sha256": 7}}, "data.sha256 is 7, not a text"),
        ({"conditioning": ["smell"]}, "run.json.*conditioning"),
    ],
)
def test_a_damaged_record_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read_record(written(tmp_path, **changes))


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"has no run.json, so its training is unknown"
    ):
        needed_record(tmp_path)
