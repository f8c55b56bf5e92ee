"""What the README shows runs as it stands there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

from robomtl.cli.main import main
from robomtl.policy import Spec
from robomtl.registry import POLICIES

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^    (robomtl [^#\n]+)", README, flags=re.MULTILINE)


def block_with(words):
    (block,) = [block for block in BLOCKS if words in block]
    return block


def test_the_environment_block_makes_a_suite_whose_expert_succeeds():
    names = {}
    exec(block_with("from_gymnasium"), names)
    env, expert = names["env"], names["hills"].make_expert("climb")
    assert isinstance(env.observation_space, gymnasium.spaces.Dict)
    observation, info = env.reset(options={"variation": 3})
    while not info["success"]:
        observation, _, _, truncated, info = env.step(expert(observation))
        assert info["success"] or not truncated


def test_the_policy_block_registers_a_policy():
    try:
        exec(block_with("class Linear"), {"__name__": "readme"})
        architecture = POLICIES.get("linear")
        policy = architecture(
            architecture.Config(chunk=3), Spec(state=4, action=2, embedding=0)
        )
        assert policy.head.chunk == 3
    finally:
        POLICIES._factories.pop("linear", None)


@pytest.mark.slow
def test_the_block_that_trains_and_evaluates_runs(tmp_path):
    block = block_with("robomtl.train").replace("3_000", "20")
    (tmp_path / "example.py").write_text(block.replace("episodes=20", "episodes=2"))
    command = [sys.executable, "example.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/mt10/fresh/report.html").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_flags_that_exist(command, capsys):
    _, verb, *words = shlex.split(command)
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    shown = capsys.readouterr().out
    assert all(word in shown for word in words if word.startswith("--"))
