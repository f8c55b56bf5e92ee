import numpy as np
import pytest

from robomtl.envs.metaworld_variations import Variations

pytestmark = pytest.mark.slow


def test_what_was_asked_for_longest_ago_is_forgotten_first():
    from robomtl.envs.metaworld_memory import Latest

    kept = Latest(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]


# The first two share a file of the model; the door is moved, the others' bodies are not.
@pytest.mark.parametrize("task", ["hand-insert-v3", "sweep-into-v3", "door-open-v3"])
def test_starts_after_a_remembered_reset_of_the_hand_are_metaworlds(task):
    from robomtl.envs.metaworld_fast import FastSimulator
    from robomtl.envs.metaworld_upstream import UpstreamSimulator

    fast, upstream = FastSimulator(task, dense_reward=True), UpstreamSimulator(task)
    for variation in range(7, 10):
        vector = Variations(task, "MT50").vector(variation)
        begun = fast.begin(vector), upstream.begin(vector)
        np.testing.assert_array_equal(*begun)
        for action in np.random.default_rng(0).uniform(-1, 1, (20, 4)):
            ours = fast.step(action.astype(np.float32))
            theirs = upstream.step(action.astype(np.float32))
            np.testing.assert_allclose(ours.state, theirs.state, rtol=0, atol=1e-12)
            assert ours.reward == pytest.approx(theirs.reward, abs=1e-12)
