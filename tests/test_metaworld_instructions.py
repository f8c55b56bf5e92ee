import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

import robomtl.envs.metaworld_tasks as metaworld_tasks

FILE = Path(metaworld_tasks.__file__).with_name("metaworld_instructions.json")
WORDINGS: dict[str, dict[str, list[str]]] = json.loads(FILE.read_text("utf-8"))
TASKS = sorted(WORDINGS)

MIN_TRAIN = 45
NUM_HELD_OUT = 8
MIN_UNFAMILIAR = 2

STOP_WORDS = frozenset(
    """
    i me my myself we our ours ourselves you your yours yourself yourselves he him his
    himself she her hers herself it its itself they them their theirs themselves what
    which who whom this that these those am is are was were be been being have has had
    having do does did doing a an the and but if or because as until while of at by for
    with about against between into through during before after above below to from up
    down in out on off over under again further then once here there when where why how
    all any both each few more most other some such no nor not only own same so than too
    very can will just should now d ll m o re s t ve don
    anything nothing anybody nobody everything something thing
    could would might must may shall cannot us upon onto towards toward within without
    along away also else ever still yet another one ones much many
    please kindly thanks go get let make made want need like sure give
    """.split()
)
"""NLTK's English stop words; words of courtesy, and verbs and nouns as empty as those."""

ENDINGS = ("ings", "ing", "edly", "ed", "ers", "es", "s", "ly", "wards", "ward")


def words(wording: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", wording.lower().replace("'s", ""))


def stem(word: str) -> str:
    """A word without its ending, crudely: sliding, slides and slide are all ``slid``."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def content_words(wordings: Iterable[str]) -> set[str]:
    return {
        stem(word)
        for wording in wordings
        for word in words(wording)
        if word not in STOP_WORDS
    }


def plain(wording: str) -> str:
    return " ".join(words(wording))


def test_every_task_has_wordings() -> None:
    assert sorted(metaworld_tasks.TASKS) == TASKS
    assert len(TASKS) == 50


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_enough_wordings_of_both_kinds(task: str) -> None:
    assert set(WORDINGS[task]) == {"train", "held_out"}
    assert len(WORDINGS[task]["train"]) >= MIN_TRAIN
    assert len(WORDINGS[task]["held_out"]) == NUM_HELD_OUT


@pytest.mark.parametrize("task", TASKS)
def test_wordings_are_tidy(task: str) -> None:
    for wording in WORDINGS[task]["train"] + WORDINGS[task]["held_out"]:
        assert wording == " ".join(wording.split())
        assert wording


def test_no_wording_stands_twice_or_under_two_tasks() -> None:
    places: dict[str, list[str]] = {}
    for task in TASKS:
        for kind in ("train", "held_out"):
            for wording in WORDINGS[task][kind]:
                places.setdefault(plain(wording), []).append(f"{task} {kind}")
    assert {k: v for k, v in places.items() if len(v) > 1} == {}


def test_canonical_instructions_are_distinct() -> None:
    assert len({plain(WORDINGS[task]["train"][0]) for task in TASKS}) == 50


@pytest.mark.parametrize("task", TASKS)
def test_some_held_out_wordings_share_no_content_word_with_training(task: str) -> None:
    trained = content_words(WORDINGS[task]["train"])
    unfamiliar = [
        wording
        for wording in WORDINGS[task]["held_out"]
        if not content_words([wording]) & trained
    ]
    assert len(unfamiliar) >= MIN_UNFAMILIAR
    assert all(content_words([wording]) for wording in unfamiliar)
