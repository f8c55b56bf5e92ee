"""Smoke test of an installed robomtl: acts in envs of two suites with two policies."""

from pathlib import Path

import torch

import robomtl
from robomtl.policy import Spec
from robomtl.registry import ENCODERS, POLICIES
from robomtl.task import Suite


def act_once(suite: Suite, policy_name: str) -> None:
    """Resets the first task of a suite and executes one action of an untrained policy."""
    env = suite.make_env(suite.train_tasks[0].name)
    observation, _ = env.reset(options={"variation": 0})
    assert env.action_space.shape is not None
    spec = Spec(
        state=observation["state"].size, action=env.action_space.shape[0], embedding=4
    )
    make = POLICIES.get(policy_name)
    policy = make(make.Config(), spec)
    state = torch.from_numpy(observation["state"])[None]
    actions, _ = policy.act({"state": state}, torch.zeros(1, 4), None)
    _, _, _, _, info = env.step(actions[0, 0].detach().numpy())
    print(f"{suite.name}, {policy_name}: success is {info['success']}")


if __name__ == "__main__":
    print(f"robomtl from {Path(robomtl.__file__).parent}")
    for suite_name in ("points", "metaworld/MT10"):
        for name in ("film", "mlp"):
            act_once(robomtl.suite(suite_name), name)
    print(
        f"Encoders of images: {', '.join(map(str, map(ENCODERS.get, ENCODERS.built_in())))}"
    )
