from dataclasses import dataclass
from typing import Literal

import pytest
import tyro
from test_cli import refusal

from robomtl.cli.choices import CHOICES


@dataclass(frozen=True, kw_only=True)
class Flags:
    count: Literal["few", "many"] | int | None = None
    kinds: tuple[Literal["red", "green"], ...] | None = None
    place: tyro.conf.Positional[str] = ""


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        ("train --schedule cosin", "'cosine'"),
        ("train --precision bf17", "'bfloat16'"),
        ("train --threads aut", "'auto'"),
        ("train --conditioning goal langage", "'language'"),
        ("run quickstart --training.schedule constnt", "'constant'"),
        ("evaluate run --video exmples", "'examples'"),
        ("multitask points --profile fst", "'fast'"),
        ("lifelong points --task-id givn", "'given'"),
    ],
)
def test_a_word_that_a_flag_does_not_take_names_the_nearest(words, nearest, capsys):
    with pytest.raises(SystemExit) as stopped:
        refusal(capsys, *words.split())
    assert stopped.value.code == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert f"Did you mean {nearest}" in said
    assert "Known: " in said


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("", Flags()),
        ("--count many", Flags(count="many")),
        ("--count 3", Flags(count=3)),
        ("--count None --kinds None", Flags()),
        ("here --kinds green red", Flags(kinds=("green", "red"), place="here")),
    ],
)
def test_words_that_a_flag_takes_are_taken(words, flags):
    with CHOICES:
        assert tyro.cli(Flags, args=words.split()) == flags
