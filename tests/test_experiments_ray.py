"""An experiment on a Ray cluster of two nodes, one of which dies half way.

All experiments are played by one loop; this one has its policies trained there too.
"""

import threading
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from families import Here
from test_evaluation import wait_for_chunks
from test_multitask import REQUEST as ARMS
from test_multitask import SUITE as TASKS

import robomtl
from robomtl.execution.compute import Compute
from robomtl.execution.machine import Machine
from robomtl.execution.ray_executor import RayExecutor
from robomtl.experiments.multitask import multitask

ray = pytest.importorskip("ray", reason="needs the extra: pip install 'robomtl[ray]'")
pytestmark = pytest.mark.slow

CPU = Machine(device="cpu", precision="float32")  # Timing decides what is automatic.


@pytest.fixture
def cluster():
    """Two nodes of a core each, of which one is to die."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.doomed = made.add_node(num_cpus=1)
    yield made
    ray.shutdown()
    made.shutdown()


def untimed(out):
    return pq.read_table(out / "trials.parquet").drop_columns(["seconds"])


def killing(cluster, out, cells):
    """Kills a node once some cells are finished; how many were when it died."""
    killed = []

    def kill():
        wait_for_chunks(out, cells, seconds=600)
        cluster.remove_node(cluster.doomed, allow_graceful=False)
        killed.append((out / "journal.jsonl").read_text().count('\n{"chunk"'))

    thread = threading.Thread(target=kill)
    thread.start()
    return thread, killed


def test_multitask_finds_the_same_where_a_node_dies(tmp_path, cluster):
    request = replace(ARMS, steps=20)
    data = robomtl.collect(
        TASKS,
        tmp_path / "data",
        config=robomtl.CollectionConfig(episodes=2),
        compute=robomtl.Compute(workers=1),
    ).path
    here = multitask(
        TASKS,
        request,
        out=tmp_path / "here",
        data=data,
        compute=Compute(executor=Here(), machine=CPU),
    )
    out = tmp_path / "ray"
    thread, killed = killing(cluster, out, 2)
    executor = RayExecutor(address=cluster.address, workers=2)
    there = multitask(
        TASKS,
        request,
        out=out,
        data=data,
        compute=Compute(executor=executor, machine=CPU),
    )
    thread.join()
    assert killed[0] < 2 * 3
    assert untimed(out).equals(untimed(tmp_path / "here"))
    assert there.arms == here.arms and there.affinity == here.affinity
    for path in (tmp_path / "here" / "runs").rglob("policy.safetensors"):
        again = out / "runs" / path.relative_to(tmp_path / "here" / "runs")
        assert again.read_bytes() == path.read_bytes()
