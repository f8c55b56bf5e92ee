"""Export of an evaluation to ``eval_info.json``, the format of LeRobot's ``lerobot-eval``.

Source: ``src/lerobot/scripts/lerobot_eval.py`` of LeRobot, ``eval_policy_all``. A task group
is a tier of the suite, as LeRobot groups Meta-World, or the suite if it has no tiers.
Departures:

1. Rewards are not recorded, so ``sum_rewards``, ``max_rewards`` and their means are left out.
2. A trial that ended in an error is not an episode here, but counted in ``n_errors``.
   Without any episode, ``pc_success`` is left out.
3. A task has a name in addition to its number. Paths of videos are relative to the folder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robomtl.arguments import checked
from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results
from robomtl.evaluation.video import find_videos
from robomtl.files.durable import write_json
from robomtl.files.paths import located
from robomtl.task import Trial

EVAL_INFO = "eval_info.json"


@checked
def export_evaluation(folder: Path | str) -> Path:
    """Writes ``eval_info.json`` into the folder of an evaluation; returns its path.

    Args:
        folder: Folder of the evaluation.

    Raises:
        ValueError: If the folder has no finished evaluation.
    """
    source = located(folder)
    path = source / EVAL_INFO
    write_json(path, eval_info(Results.read(source), source))
    return path


def eval_info(results: Results, folder: Path) -> dict[str, Any]:
    """Content of ``eval_info.json``.

    Args:
        results: Results of the evaluation.
        folder: Folder of the evaluation, with its videos.
    """
    videos = find_videos(folder, results)
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for task in results.tasks:
        records = [record for record in results.records if record.task == task]
        group = results.task_tiers[task] or results.setting.suite
        metrics = _metrics(results, records, videos, folder)
        groups.setdefault(group, []).append((task, metrics))
    all_metrics = [metrics for group in groups.values() for _, metrics in group]
    overall, seconds = _aggregated(all_metrics), results.setting.seconds
    overall |= {
        "eval_s": seconds,
        "eval_ep_s": seconds / max(1, overall["n_episodes"]),
        "n_errors": sum(record.error is not None for record in results.records),
    }
    return {
        "per_task": [
            {"task_group": group, "task_id": number, "task": task, "metrics": metrics}
            for group, tasks in groups.items()
            for number, (task, metrics) in enumerate(tasks)
        ],
        "per_group": {
            group: _aggregated([metrics for _, metrics in tasks])
            for group, tasks in groups.items()
        },
        "overall": overall,
    }


def _metrics(
    results: Results,
    records: Sequence[Record],
    videos: Mapping[Trial, Path],
    folder: Path,
) -> dict[str, Any]:
    """Metrics of a task's trials, in their order."""
    solved = [record.solved(results.setting.criterion) for record in records]
    trials = [Trial(r.suite, r.task, r.variation, r.repeat) for r in records]
    paths = [videos[trial] for trial in trials if trial in videos]
    return {
        "successes": [each for each in solved if each is not None],
        "video_paths": [path.relative_to(folder).as_posix() for path in paths],
    }


def _aggregated(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Metrics of several tasks; success is the percentage over all their episodes."""
    successes = [each for task in metrics for each in task["successes"]]
    percent = 100 * sum(successes) / len(successes) if successes else None
    return {
        **({} if percent is None else {"pc_success": percent}),
        "n_episodes": len(successes),
        "video_paths": [path for task in metrics for path in task["video_paths"]],
    }
