"""``robomtl view``: shows a trial in rerun's viewer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl import viewing
from robomtl.camera import Camera, Profile
from robomtl.cli.agents import named_agent, suite_for
from robomtl.cli.flags import TaskFlags, own_first
from robomtl.evaluation import Results
from robomtl.suites import suite


@own_first
@dataclass(frozen=True, kw_only=True)
class View(TaskFlags):
    """Plays a trial and shows it in rerun. Needs robomtl[view]."""

    folder: tyro.conf.Positional[Path]
    """Folder of an evaluation, whose first failure is shown by default; or the run directory
    of a policy, or 'expert', for a new trial."""
    run: Path | None = None
    """Run directory of the evaluated policy, if it was moved."""
    suite: str | None = None
    """Suite of a new trial, such as metaworld/MT50."""
    task: str | None = None
    """Task of the trial."""
    variation: int | None = None
    """Variation of the trial."""
    repeat: int | None = None
    """Repeat of the trial, in an evaluation."""
    save: Path | None = None
    """Write a file for rerun, .rrd, instead of opening the viewer."""
    pictures: bool = True
    """Show pictures of a camera, if the suite renders any."""
    profile: Profile | None = None
    """Rendering: fast, without shadows and reflections; faithful, with the simulator's own
    settings."""
    camera: str | None = None
    """Camera of the suite, such as corner2."""
    size: tuple[int, int] | None = None
    """Width and height of pictures [px]."""

    def make_camera(self) -> Camera | None:
        """The camera; None for no pictures."""
        width, height = self.size or (None, None)
        camera = Camera(
            name=self.camera, profile=self.profile, width=width, height=height
        )
        return camera if self.pictures else None


def main(arguments: Sequence[str]) -> None:
    """Shows the trial that the arguments name."""
    flags = tyro.cli(View, args=arguments, prog="robomtl view")
    viewing.load_rerun()
    show = _recorded if viewing.is_evaluation(flags.folder) else _new
    show(flags)
    if flags.save is not None:
        print(f"Trial: {flags.save}; rerun {flags.save} shows it.")


def _recorded(flags: View) -> None:
    setting = Results.read(flags.folder).setting
    agent = viewing.find_agent(flags.folder, flags.run)
    made = suite(setting.suite, **setting.options)
    place = viewing.recorded_trial(
        flags.folder,
        agent,
        made,
        task=flags.task,
        variation=flags.variation,
        repeat=flags.repeat,
    )
    viewing.view(agent, made, place, camera=flags.make_camera(), save=flags.save)


def _new(flags: View) -> None:
    agent = named_agent(flags.folder)
    made = suite_for(agent, flags.suite, flags)
    agent.check(made)
    trial = viewing.new_trial(made, task=flags.task, variation=flags.variation)
    viewing.view(agent, made, trial, camera=flags.make_camera(), save=flags.save)
