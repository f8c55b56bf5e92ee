import pytest

from robomtl.files.folder_kinds import holding


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("meta/info.json", "is a data set"),
        ("policy.json", "is the run directory of a policy"),
        ("run.json", "is the run directory of unfinished training"),
        ("journal.jsonl", "contains the results of an evaluation or an experiment"),
        ("seed-0/policy.json", "contains other folders, such as FOLDER/seed-0"),
        ("a/b/meta/info.json", "contains other folders, such as FOLDER/a/b"),
        ("notes.txt", ""),
    ],
)
def test_a_folder_is_known_by_its_files(tmp_path, file, said):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    assert holding(tmp_path) == said.replace("FOLDER", str(tmp_path))


def test_what_is_no_folder_is_said_to_be_none(tmp_path):
    (tmp_path / "file").write_text("")
    assert holding(tmp_path / "file") == "is not a folder"
    assert holding(tmp_path / "nowhere") == "does not exist"
    (tmp_path / "link").symlink_to("nowhere")
    assert holding(tmp_path / "link") == "is a broken link"
