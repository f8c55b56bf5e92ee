import pytest
import torch

from robomtl.adaptation import Budget, adapt
from robomtl.adaptation.adapting import configure
from robomtl.adaptation.support import Support, draw_support
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.execution.compute import Compute
from robomtl.layers.vision import Vision
from robomtl.suites import suite
from robomtl.training import TrainConfig, train

pytestmark = pytest.mark.usefixtures("forked_workers")

TASK = "reach-ball"
METHODS = {
    "finetune": {"augmentation.translation": 0.0},
    "lora": {},
    "task_embedding": {},
    "retrieval": {},
    "alpaca": {},
    "vinn": {},
    "scratch": {},
}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    points = suite("points/ML4", images=16)
    read = {}
    for name, tasks in {"old": None, "new": [TASK]}.items():
        collect(
            points,
            folder / name,
            config=CollectionConfig(tasks=tasks, episodes=2, noise=0.0),
            compute=Compute(workers=1),
        )
        read[name] = Demonstrations(folder / name, observe=("top",))
    trained = train(
        read["old"],
        out=folder / "policy",
        policy_config={"width": 16, "blocks": 1},
        config=TrainConfig(
            steps=2,
            batch_size=8,
            threads=1,
            vision=Vision(encoder="strided", features=8),
        ),
    )
    drawn = draw_support(read["new"], TASK, shots=2, draw=0)
    return trained, Support(demonstrations=drawn.demonstrations, prior=read["old"])


@pytest.mark.parametrize("method", METHODS)
def test_a_policy_of_pictures_adapts(learned, method):
    trained, support = learned
    budget = Budget(steps=2, batch_size=4)
    made = adapt(
        trained, support, method=configure(method, METHODS[method]), budget=budget
    )
    observation = {"top": torch.zeros(1, 16, 16, 3, dtype=torch.uint8)}
    task_embedding = torch.zeros(1, made.card.spec.embedding)
    chunk, _ = made.policy.act(observation, task_embedding, None)
    assert chunk.shape == (1, made.policy.chunk, 2)
    assert not made.card.spec.state


def test_a_method_that_reads_states_refuses_a_policy_of_pictures(learned):
    trained, support = learned
    with pytest.raises(ValueError, match="replay reads one observation of one robot"):
        adapt(trained, support, method="replay")
