"""Collects episodes of a suite's experts or of a policy; resumes after interruptions."""

from pathlib import Path
from typing import Any

from robomtl.acting.actor import check_agent
from robomtl.arguments import checked
from robomtl.demonstrations import layout
from robomtl.demonstrations.about import read_request
from robomtl.demonstrations.collected import write_collected
from robomtl.demonstrations.collection_config import CollectionConfig
from robomtl.demonstrations.collection_request import request_for
from robomtl.demonstrations.dataset import Demonstrations
from robomtl.demonstrations.driving import Rollouts
from robomtl.demonstrations.expert_episodes import Recorder
from robomtl.demonstrations.staging import Staging
from robomtl.demonstrations.task_collection import task_collections_for
from robomtl.demonstrations.task_sizes import check_compatible_tasks, check_has_images
from robomtl.demonstrations.unit_recording import record
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.files.paths import located
from robomtl.files.request import refuse_other
from robomtl.task import Suite


def _recorded_request(out: Path) -> dict[str, Any] | None:
    """The request recorded in a complete data set; None if there is no data set.

    Raises:
        InputError: If the data set was not collected by robomtl, or its request is
            damaged.
    """
    if not (out / layout.INFO).exists():
        return None
    if not (out / layout.ROBOMTL).exists():
        raise InputError(
            f"{out} is a data set that robomtl did not collect; give a new folder."
        )
    return read_request(out)


@checked
def collect(
    suite: Suite,
    out: Path | str,
    *,
    config: CollectionConfig | None = None,
    rollouts: Rollouts | None = None,
    compute: Compute | None = None,
) -> Demonstrations:
    """Collects episodes of a suite's experts, or of a policy, into a data set.

    The first successful episodes of each task are kept, in the order of its variations,
    whatever the number of workers and however often the collection is interrupted. The
    same call resumes an interrupted collection, or returns the finished data set. A policy
    tries each variation once, and ``rollouts`` determines which episodes are kept. Episodes
    that an error aborts are replaced by those of the next variations, while there are any.

    Args:
        suite: Supplies tasks, envs and experts.
        out: Folder for the data set, new or begun by the same request.
        config: Tasks, episodes and noise; the defaults if None.
        rollouts: Policy that acts, and source of the recorded actions; None if the experts
            act.
        compute: Processes or cluster, and the time limit of a step.

    Returns:
        The demonstrations in the folder.

    Raises:
        ValueError: If the config does not fit the suite, the folder contains something
            else, an expert fails too often or runs out of variations, or the policy does
            not fit the suite or solves no episode that could be kept.
        EpisodesError: If most failed episodes of a task are aborted by errors.
        SimulationError: If a process died or hung in every attempt; finished units are
            kept.
    """
    executor = (compute or Compute()).playing
    config = config or CollectionConfig()
    request = request_for(suite, config, rollouts)
    task_collections = task_collections_for(suite, request)
    if rollouts is not None:
        check_agent(rollouts.agent, suite, request.tasks)
    staging = Staging(located(out), request)
    recorded = _recorded_request(staging.out)
    if recorded is None:
        check_has_images(suite, request, config.video)
        with staging.opened():
            check_compatible_tasks(suite, request)
            recorder = Recorder(suite, request, rollouts)
            sizes = record(task_collections, recorder, staging, executor)
            write_collected(request, task_collections, staging, sizes)
    else:
        refuse_other(staging.out, recorded, request.plain())
        staging.remove()  # Left if the process was killed while it published.
    return Demonstrations(staging.out)
