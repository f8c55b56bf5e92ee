"""Examples and statements of the guide on probes."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import tyro
from families import grow

import robomtl
from robomtl.cli.main import main
from robomtl.cli.probe import Probe
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.instructions import KINDS as INSTRUCTIONS
from robomtl.evaluation.records import SCHEMA
from robomtl.experiments.probe import ProbeConfig
from robomtl.experiments.probe.kinds import KINDS
from robomtl.experiments.probe.probe_rates import (
    Difference,
    InstructionFindings,
    KindRates,
    Shared,
    TaskDifferences,
    Verdict,
)
from robomtl.experiments.probe.probing import COLUMNS

pytestmark = pytest.mark.usefixtures("forked_workers")

GUIDE = (Path(__file__).parent.parent / "docs" / "evaluation.md").read_text()
SECTION = GUIDE.partition("\n## Probing\n")[2].partition("\n## ")[0]
(BLOCK,) = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)
COMMANDS = re.findall(r"^    robomtl (probe [^#\n]+)", SECTION, flags=re.MULTILINE)
SMALL = {
    "RUN": "runs/mt10",
    "DIR": "runs/probe",
    "metaworld/MT10": "points/ML4",
    "--episodes 20": "--episodes 1",
    "reach-v3 push-v3 pick-place-v3": "reach-red reach-blue",
}
FEW = " --episodes 1 --horizon 5 --workers 1"


@pytest.fixture
def there(tmp_path, monkeypatch):
    """The folder that the guide's commands are given in."""
    grow(tmp_path / "runs" / "grown")
    (tmp_path / "runs" / "mt10").symlink_to(tmp_path / "runs/grown/cloning/seed-0")
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(there, command, capsys):
    tyro.cli(Probe, args=shlex.split(command)[1:])
    for long, short in SMALL.items():
        command = command.replace(long, short)
    more = FEW.replace("--episodes 1", "") if "--episodes" in command else FEW
    assert main(shlex.split(command + more)) == 0
    assert "report.html" in capsys.readouterr().out


@pytest.mark.slow
def test_the_block_runs(there):
    out = 'out="runs/mt10-probe"'
    assert out in BLOCK
    few = "config=ProbeConfig(conditions=Conditions(episodes=1))"
    block = BLOCK.replace(out, f"{out}, {few}")
    names = {"robomtl": robomtl, "Conditions": Conditions, "ProbeConfig": ProbeConfig}
    exec(block.replace('"metaworld/MT10"', '"points/ML4", horizon=5'), names)
    assert names["found"].verdict.word == "undecided"


def test_every_kind_is_explained_with_its_instructions():
    for name, kind in KINDS.items():
        row = re.search(rf"^\| `{name}` \| .* \| `(.*)` \|$", SECTION, re.MULTILINE)
        assert row[1] == kind.instructions
    for instructions in INSTRUCTIONS:
        assert f"| `{instructions}` |" in GUIDE.partition("\n## Instructions\n")[2]


def test_every_field_and_column_is_explained():
    hidden = {"setting", "records"}
    for of in (
        InstructionFindings,
        KindRates,
        TaskDifferences,
        Difference,
        Shared,
        Verdict,
    ):
        for name in {each.name for each in fields(of)} - hidden:
            assert re.search(rf"`{name}[`.]", SECTION), name
    for name in {*COLUMNS.names} - {*SCHEMA.names}:
        assert f"`{name}`" in SECTION, name
