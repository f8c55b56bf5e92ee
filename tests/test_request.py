from dataclasses import dataclass
from pathlib import Path

import pytest

from robomtl.errors import OtherRequestError
from robomtl.files.request import claim, differences, plain, refuse_other
from robomtl.files.untrusted import read_json


@dataclass(frozen=True)
class Settings:
    steps: int = 60
    rate: float = float("inf")
    tasks: tuple[str, ...] = ("push", "reach")
    data: Path = Path("data")


PLAIN = {"steps": 60, "rate": "inf", "tasks": ["push", "reach"], "data": "data"}


def test_a_plain_value_is_one_that_json_can_hold():
    assert plain(Settings()) == PLAIN


@pytest.fixture
def finished(tmp_path):
    path = tmp_path / "run" / "weights"
    path.parent.mkdir()
    path.touch()
    return [path]


def test_a_folder_is_claimed_once_and_found_again(tmp_path, finished):
    path = tmp_path / "run" / "run.json"
    claim(path, {"training": Settings()})
    before = path.read_bytes()
    claim(path, {"training": Settings()}, finished=finished)
    assert path.read_bytes() == before


def test_another_request_is_refused_naming_all_that_differs(tmp_path, finished):
    path = tmp_path / "run" / "run.json"
    claim(path, {"training": Settings(), "seed": 0})
    before = path.read_bytes()
    message = (
        r"run was begun with other settings; nothing in it was changed. Differing:"
        r" training.steps is 60 in the folder and 70 now; seed is 0 in the folder and None now;"
        r" policy is None in the folder and 'film' now. Give the same settings to resume, or"
        r" another folder \(--out\)\."
    )
    with pytest.raises(ValueError, match=message):
        claim(
            path, {"training": Settings(steps=70), "policy": "film"}, finished=finished
        )
    assert path.read_bytes() == before


def test_settings_are_spelled_as_the_reader_knows_them(tmp_path):
    there, here = {"note": "a; steps is 1", "steps": 1}, {"note": "b", "steps": 2}
    with pytest.raises(OtherRequestError) as refused:
        refuse_other(tmp_path, there, here)
    said = refused.value.followed_by("Or wait.").message("--{}".format)
    assert (
        "--note is 'a; steps is 1' in the folder and 'b' now; --steps is 1 in the folder"
        in said
    )
    assert said.endswith("another folder (--out). Or wait.")


def test_hashes_are_shown_by_their_first_digits(tmp_path):
    there, here = {"agent": "a" * 64}, {"agent": f"{'b' * 64} execute=2"}
    message = f"agent is '{'a' * 12}' in the folder and '{'b' * 12} execute=2' now"
    with pytest.raises(ValueError, match=message):
        refuse_other(tmp_path, there, here)


def test_of_many_differing_settings_the_first_are_listed(tmp_path):
    there, here = ({f"s{number}": side for number in range(20)} for side in (1, 2))
    message = (
        r"; s7 is 1 in the folder and 2 now; and 12 further settings\. Give the same"
    )
    with pytest.raises(ValueError, match=message):
        refuse_other(tmp_path, there, here)


def test_a_request_for_which_nothing_was_finished_binds_nobody(tmp_path):
    path = tmp_path / "run" / "run.json"
    claim(path, {"seed": 0})
    claim(path, {"seed": 1}, finished=[tmp_path / "run" / "weights"])
    assert read_json(path, dict) == {"seed": 1}


def test_what_was_finished_without_a_request_is_refused(tmp_path, finished):
    with pytest.raises(
        ValueError, match="run.json is missing, which records the settings of weights"
    ):
        claim(tmp_path / "run" / "run.json", {"seed": 0}, finished=finished)


def test_a_damaged_request_is_refused_with_its_file(tmp_path, finished):
    path = tmp_path / "run" / "run.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="run.json is damaged or cut short"):
        claim(path, {"seed": 0}, finished=finished)


def test_differences_have_the_name_and_both_values():
    [found] = differences({"a": {"b": 1}}, {"a": {"b": 2}})
    assert found == ("a.b", 1, 2, "")
    assert found.phrase(("in A", "in B")) == "a.b is 1 in A and 2 in B"


def test_values_alike_do_not_differ():
    assert not list(differences(PLAIN, dict(reversed(PLAIN.items()))))
