import sys

import pytest
from test_cli import refusal

from robomtl import imports
from robomtl.cli.main import main
from robomtl.errors import PlugInError
from robomtl.execution.executor import LocalExecutor
from robomtl.imports import import_modules
from robomtl.policy import POLICIES
from robomtl.suites import SUITES

MODULE = """
from robomtl.envs.points import PointsSuite
from robomtl.policies.mlp import MLP
from robomtl.policy import POLICIES
from robomtl.suites import SUITES


class Mine(PointsSuite):
    name = "NAME"


SUITES.register("NAME", Mine())
POLICIES.register("NAME", MLP)
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Returns a function that writes a module into the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(imports, "_IMPORTED", {})

    def write(name, text=MODULE):
        (tmp_path / f"{name}.py").write_text(text.replace("NAME", name))
        return name

    yield write
    for path in tmp_path.glob("mine_*.py"):
        sys.modules.pop(path.stem, None)
        for kind in (SUITES, POLICIES):
            kind._items.pop(path.stem, None)


@pytest.mark.parametrize(
    "words",
    [
        ["--import", "{}", "list"],
        ["list", "--import={}.py"],
        ["list", "--import", "{}.py", "--import", "json"],
    ],
)
def test_what_a_module_registers_is_known_to_the_command_line(words, written, capsys):
    name = written("mine_listed")
    assert main([word.format(name) for word in words]) == 0
    assert capsys.readouterr().out.count("mine_listed") == 2


def suites_known(item):
    return SUITES.names()


def test_workers_import_what_was_imported_here(written):
    name = written("mine_in_workers")
    import_modules([name])
    ((_, known),) = LocalExecutor(workers=1).map(suites_known, [0])
    assert name in known


def test_what_cannot_be_imported_is_reported(written, capsys):
    assert "no module 'ghost'" in refusal(capsys, "list", "--import", "ghost")
    assert "There is no file" in refusal(capsys, "list", "--import", "ghost.py")
    assert "--import has no value" in refusal(capsys, "list", "--import")
    written("json", "x = 3")
    assert "'json' is already imported" in refusal(
        capsys, "list", "--import", "json.py"
    )
    broken = written("mine_broken", "import sys\n\nsys.exit()\n")
    said = r"'mine_broken' cannot be imported: SystemExit \(mine_broken.py, line 3\)"
    with pytest.raises(PlugInError, match=said):
        import_modules([broken])
    broken = written("mine_wrong", "def f(:")
    with pytest.raises(
        PlugInError, match=r"syntax \(mine_wrong.py, line 1\)\. ROBOMTL_TR"
    ):
        import_modules([broken])


@pytest.mark.slow
def test_a_policy_of_a_module_is_trained_and_evaluated(written, capsys):
    name = written("mine_trained")
    words = "train --suite points/MT4 --episodes 2 --steps 2 --out run --policy"
    assert main(["--import", name, *words.split(), name]) == 0
    assert f"robomtl evaluate run --import {name}\n" in capsys.readouterr().out
    evaluate = "evaluate run --episodes 1 --workers 1 --horizon 3 --import".split()
    assert main([*evaluate, name]) == 0
