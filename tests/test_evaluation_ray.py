"""Evaluation on real Ray clusters, with nodes that die."""

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_evaluation import play, untimed, wait_for_chunks
from wobbling import WobblingAgent

from robomtl.execution import ray_executor
from robomtl.execution.ray_executor import RayExecutor

ray = pytest.importorskip("ray", reason="needs the extra: pip install 'robomtl[ray]'")
pytestmark = pytest.mark.slow

CHUNKS = 18


@dataclass(frozen=True, kw_only=True)
class NotingAgent(WobblingAgent):
    """Leaves a note of every node it is loaded on."""

    notes: Path

    def load(self, suite):
        node = ray.get_runtime_context().get_node_id()
        self.notes.mkdir(exist_ok=True)
        (self.notes / node).touch()
        return super().load(suite)


@dataclass(frozen=True)
class Stopped:
    """An executor that is stopped, as by Ctrl-C, after some results."""

    executor: RayExecutor
    after: int
    workers: int = 1

    def map(self, work, items, kind):
        for count, result in enumerate(self.executor.map(work, items)):
            if count == self.after:
                raise KeyboardInterrupt
            yield result


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    play(out)
    return out


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one node with a core, which starts slowly; the last test ends it."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield made
    ray.shutdown()
    made.shutdown()


def finished(out):
    return (out / "journal.jsonl").read_text().count('\n{"chunk"')


def test_a_node_that_dies_half_way_changes_nothing(whole, tmp_path, cluster):
    node = cluster.add_node(num_cpus=2)
    agent = NotingAgent(pause=0.02, notes=tmp_path / "nodes")
    out, killed = tmp_path / "run", []

    def kill():
        wait_for_chunks(out, CHUNKS // 2)
        cluster.remove_node(node, allow_graceful=False)
        killed.append(finished(out))

    thread = threading.Thread(target=kill)
    thread.start()
    executor = RayExecutor(address=cluster.address, workers=3)
    results = play(out, agent=agent, executor=executor)
    thread.join()

    assert results.setting.workers == 3
    assert len(list(agent.notes.iterdir())) == 2
    assert CHUNKS // 2 <= killed[0] < CHUNKS - 2
    assert untimed(out).equals(untimed(whole))


def test_a_cluster_that_is_gone_costs_nothing(whole, tmp_path, cluster, monkeypatch):
    executor = RayExecutor(address=cluster.address, workers=1)
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, executor=Stopped(executor, after=5))
    cluster.shutdown()
    monkeypatch.setattr(ray_executor, "_ANSWER_WITHIN", 5.0)

    with pytest.raises(
        ValueError, match=f"No Ray cluster answers at '{executor.address}"
    ):
        play(tmp_path, executor=executor)
    assert finished(tmp_path) == 5

    play(tmp_path)
    assert untimed(tmp_path).equals(untimed(whole))
