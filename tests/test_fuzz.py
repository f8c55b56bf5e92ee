"""A few seeded mutations of every kind of file; ``scripts/fuzz.py`` runs many."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import readers
import samples
import watching


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    samples.make(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", readers.KINDS)
def test_a_mutated_file_is_read_or_refused_in_a_sentence(kind, template, tmp_path):
    for seed in range(2):
        readers.fresh(template, tmp_path / "box")
        outcome, said = readers.attempt(kind, tmp_path / "box", seed)
        assert outcome in ("read", "refused"), f"seed {seed}: {said}"
        assert [path.name for path in tmp_path.iterdir()] == ["box"]


def test_a_reader_that_writes_elsewhere_is_seen(tmp_path):
    box = tmp_path / "box"
    box.mkdir()
    watch = watching.Watch(box)
    with watch.watching():
        (box / "in").write_text("")
        (box / "in").rename(box / "here")
        shutil.rmtree(shutil.copytree(box, box / "copy"))
        assert not watch.strays
        (box / "../out").write_text("")
        (tmp_path / "new").mkdir()
        (box / "here").rename(tmp_path / "there")
    (tmp_path / "later").write_text("")
    names = [Path(each.split()[1]).name for each in watch.strays]
    assert names == ["out", "new", "there"]


def test_a_reader_that_is_too_late_is_no_refusal(template, tmp_path, monkeypatch):
    def late(folder):
        try:
            raise readers.LateError
        except OSError:
            raise AssertionError("it was taken for an error of the file") from None

    kind = replace(readers.KINDS["recipe"], read=late)
    monkeypatch.setitem(readers.KINDS, "recipe", kind)
    readers.fresh(template, tmp_path / "box")
    assert readers.attempt("recipe", tmp_path / "box", 0).outcome == "hang"


def test_the_guide_says_how_many_kinds_of_file_are_tried():
    guide = Path(__file__).parents[1] / "docs/security.md"
    assert f"each of {len(readers.KINDS)} kinds of file" in guide.read_text()
