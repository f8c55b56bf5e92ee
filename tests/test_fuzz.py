"""A few seeded mutations of every kind of file; ``scripts/fuzz.py`` makes many."""

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
