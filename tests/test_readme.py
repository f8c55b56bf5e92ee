"""Examples of the README."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from families import grow

from robomtl.checking.policy_check import check_policy
from robomtl.cli.main import main
from robomtl.policy import POLICIES, Spec

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^    (robomtl [^#\n]+)", README, flags=re.MULTILINE)


def block_with(words):
    (block,) = [block for block in BLOCKS if words in block]
    return block


def changed(block, changes):
    """A block with other words, each of which it has to have."""
    for given, other in changes.items():
        assert given in block
        block = block.replace(given, other)
    return block


def run(folder, source):
    """Runs a block as the script that it would be in a user's hands."""
    (folder / "example.py").write_text(source)
    command = [sys.executable, "example.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_the_environment_block_registers_a_suite_that_keeps_the_contract_and_is_trained(
    tmp_path,
):
    block = block_with("from_gymnasium")
    assert len([line for line in block.splitlines() if line.strip()]) <= 20
    small = 'conditioning=("one_hot",), config=robomtl.TrainConfig(steps=5))'
    tiny = block.replace("episodes=20", "episodes=2").replace(
        'conditioning=("one_hot",))', small
    )
    done = run(tmp_path, tiny + "    print(robomtl.check_suite(hills))\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "runs" / "hills" / "policy.json").exists()


def test_the_policy_block_registers_a_policy():
    try:
        exec(block_with("class Linear"), {"__name__": "readme"})
        architecture = POLICIES.get("linear")
        policy = architecture(
            architecture.Config(chunk=3), Spec(state=4, action=2, embedding=0)
        )
        assert policy.head.chunk == 3
        assert check_policy("linear") == []
    finally:
        POLICIES._items.pop("linear", None)


@pytest.mark.slow
def test_the_block_that_trains_and_evaluates_runs(tmp_path):
    changes = {
        "episodes=20": "episodes=2",
        "3_000": "2",
        'metaworld/MT10"': 'metaworld/MT1/reach-v3", horizon=150',
    }
    small = changed(block_with("mt10 = "), changes)
    # Which takes as long to import as torch itself.
    compiler = "    import sys; print('torch._dynamo' in sys.modules)\n"
    done = run(tmp_path, small + compiler)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
    assert (tmp_path / "runs/mt10/fresh/report.html").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_the_block_that_adapts_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grow(tmp_path / "runs" / "mt10")
    changes = {
        'suite("metaworld/ML10", goals="observable")': 'suite("points/ML4", horizon=25)',
        '"finetune"': '"finetune", budget=robomtl.Budget(steps=2, batch_size=8)',
        "runs/mt10": "runs/mt10/cloning/seed-0",
        "door-close-v3": "reach-ball",
    }
    block = changed(block_with("robomtl.adapt("), changes)
    exec(block, {"__name__": "__main__"})
    assert (tmp_path / "runs/door/fresh/report.html").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_flags_that_exist(command, capsys):
    _, verb, *words = shlex.split(command)
    with pytest.raises(SystemExit):
        main([verb, *(words[:1] if verb == "run" else ()), "--help"])
    shown = capsys.readouterr().out
    assert all(word in shown for word in words if word.startswith("--"))
