"""Experiments on a Ray cluster of two nodes, of which one dies half way."""

import threading
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from families import SUITE, Here, grow
from test_evaluation import wait_for_chunks
from test_multitask import REQUEST as ARMS
from test_multitask import SUITE as TASKS

import robomtl
from robomtl.execution.compute import Compute
from robomtl.execution.machine import Machine
from robomtl.execution.ray_executor import RayExecutor
from robomtl.experiments.adapt import AdaptRequest, Supports, compare_methods
from robomtl.experiments.multitask import multitask

ray = pytest.importorskip("ray", reason="needs the extra: pip install 'robomtl[ray]'")
pytestmark = pytest.mark.slow

CPU = Machine(device="cpu", precision="float32")  # Timing decides what is automatic.
METHODS = AdaptRequest(
    methods={"finetune": "finetune"},
    settings={"finetune": {"steps": 30}},
    shots=(1, 2),
    supports=2,
    trials=5,
    retained=0,
    batch_size=16,
)


@pytest.fixture(scope="module")
def lasting():
    """A node of a core, which starts slowly."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def cluster(lasting):
    """Two nodes of a core each, of which one is to die."""
    lasting.doomed = lasting.add_node(num_cpus=1)
    return lasting


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return grow(tmp_path_factory.mktemp("family"))


def adapted(family, pool, out, executor):
    supports, compute = Supports(data=pool), Compute(executor=executor, machine=CPU)
    return compare_methods(
        family, SUITE, METHODS, out=out, supports=supports, compute=compute
    )


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


def test_adapt_finds_the_same_where_a_node_dies(family, tmp_path, cluster):
    names = [task.name for task in SUITE.held_out_tasks]
    pool = robomtl.collect(
        SUITE,
        tmp_path / "pool",
        config=robomtl.CollectionConfig(episodes=4, tasks=names),
        compute=robomtl.Compute(workers=1),
    ).path
    adapted(family, pool, tmp_path / "here", Here())
    out, executor = tmp_path / "ray", RayExecutor(address=cluster.address, workers=2)
    thread, killed = killing(cluster, out, 3)
    adapted(family, pool, out, executor)
    thread.join()
    assert killed[0] < 2 * 2 * 2
    assert untimed(out).equals(untimed(tmp_path / "here"))


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
