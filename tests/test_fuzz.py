"""A few seeded mutations of every kind of file; ``scripts/fuzz.py`` makes many."""

from pathlib import Path

import pytest
import readers


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    readers.make(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", readers.KINDS)
def test_a_mutated_file_is_read_or_refused_in_a_sentence(kind, template, tmp_path):
    for seed in range(2):
        readers.fresh(template, tmp_path / "box")
        outcome = readers.attempt(kind, tmp_path / "box", seed)
        assert outcome in ("read", "refused"), f"seed {seed}: {outcome}"
        assert [path.name for path in tmp_path.iterdir()] == ["box"]


def test_the_guide_says_how_many_kinds_of_file_are_tried():
    guide = Path(__file__).parents[1] / "docs/security.md"
    assert f"each of {len(readers.KINDS)} kinds of file" in guide.read_text()
