"""Small broken plug-in policies, each found by the check and described in a sentence."""

import random
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from robomtl.checking.policy_check import check_policy
from robomtl.checking.policy_subject import subject_of
from robomtl.checkpoint import save
from robomtl.cli.main import main
from robomtl.errors import InputError
from robomtl.new_package import new_package
from robomtl.policies.mlp import MLP
from robomtl.policy import POLICIES, Memory
from robomtl.testing import assert_policy

SMALL = {"width": 8, "layers": 1, "chunk": 2}


class Own(MLP):
    def act(self, observation, task_embedding, memory):
        actions, kept = super().act(observation, task_embedding, memory)
        return self.changed(actions), kept

    def changed(self, actions):
        return actions


class MeanLoss(Own):
    def loss(self, batch):
        loss = super().loss(batch)
        return loss._replace(per_sample=loss.per_sample.mean())


class NanLoss(Own):
    def loss(self, batch):
        loss = super().loss(batch)
        return loss._replace(per_sample=loss.per_sample.log().sub(9e9).sqrt())


class NoGradient(Own):
    def loss(self, batch):
        loss = super().loss(batch)
        return loss._replace(per_sample=loss.per_sample.detach())


class LiveMetrics(Own):
    def loss(self, batch):
        loss = super().loss(batch)
        return loss._replace(metrics={"size": loss.per_sample.mean()})


class NoMask(Own):
    def loss(self, batch):
        return super().loss(batch._replace(mask=torch.ones_like(batch.mask)))


class ShortChunk(Own):
    def changed(self, actions):
        return actions[:, :1]


class NoChunk(Own):
    def changed(self, actions):
        return actions[:, 0]


class NotFinite(Own):
    def changed(self, actions):
        return actions / 0 * 0


class Wild(Own):
    def changed(self, actions):
        return actions + 2


class Counts(Own):
    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.register_buffer("calls", torch.zeros(()))

    def changed(self, actions):
        self.calls += 1
        return actions


class Remembers(Own):
    last = 0.0

    def changed(self, actions):
        self.last, before = float(actions.mean()), self.last
        return actions * 0.5 + 0.1 * before


class Draws(Own):
    def changed(self, actions):
        return actions * random.uniform(0.5, 0.9)


class Normalises(Own):
    def changed(self, actions):
        return 0.5 * (actions - actions.mean(0))


class Forgets(Own):
    """Holds what is fitted in an attribute that no checkpoint has."""

    scale = 0.1

    def fit(self, observation):
        super().fit(observation)
        self.scale = 0.5

    def changed(self, actions):
        return actions * self.scale


class StaysBehind(Own):
    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.scale = torch.tensor([0.5])


class OnTheCpu(Own):
    def changed(self, actions):
        return actions * torch.full((2, 1), 0.5)


class StrangeMemory(Own):
    def act(self, observation, task_embedding, memory):
        actions, _ = super().act(observation, task_embedding, memory)
        return actions, {"hidden": actions}


class MemoryOfNoTrial(Own):
    def act(self, observation, task_embedding, memory):
        actions, _ = super().act(observation, task_embedding, memory)
        return actions, Memory({"hidden": actions[0]})


class Crashes(Own):
    def changed(self, actions):
        raise ZeroDivisionError("no way")


class Refuses(Own):
    @classmethod
    def check(cls, spec):
        raise InputError("needs four hands")


class NoConfig(Own):
    Config = None


@dataclass
class Thawed:
    chunk: int = 1


@dataclass(frozen=True)
class Demanding:
    chunk: int


class ThawedConfig(Own):
    Config = Thawed


class DemandingConfig(Own):
    Config = Demanding


class NoPolicy(nn.Module):
    Config = Thawed


@pytest.fixture
def found(monkeypatch):
    """The findings of a policy that is registered for the test."""
    monkeypatch.setattr(POLICIES, "_items", dict(POLICIES._items))

    def check(policy):
        POLICIES.register("own", policy)
        settings = SMALL if policy.Config is MLP.Config else {}
        return [str(problem) for problem in check_policy("own", config=settings)]

    return check


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (MeanLoss, "per_sample as a tensor of shape ()"),
        (NanLoss, "which is not finite; look for divisions by 0"),
        (NoGradient, "The loss has no gradient"),
        (LiveMetrics, "metrics['size'] as Tensor; expected a tensor without dim"),
        (NoMask, "depends on actions where mask is 0"),
        (ShortChunk, "returned chunks of 1, but Config.chunk is 2"),
        (NoChunk, "expected an action chunk of shape (6, chunk, 3)"),
        (NotFinite, "act returned numbers that are not finite"),
        (Wild, "actions lie within [-1, 1]: clamp them"),
        (Counts, "act changed the policy's parameters or buffers"),
        (Remembers, "keep nothing between calls but the memory"),
        (Draws, "draw from torch's default generator alone"),
        (Normalises, "depend on the other trials of the batch"),
        (Forgets, "acts differently after its checkpoint was saved and loaded"),
        (StaysBehind, "'scale' is a tensor but not a parameter or buffer"),
        pytest.param(
            OnTheCpu,
            "creates a tensor without naming the device",
            marks=pytest.mark.slow,
        ),
        (StrangeMemory, "act returned a dict as its memory; expected None, or a"),
        (MemoryOfNoTrial, "returned 'hidden' as a tensor of shape (2, 3)"),
        (
            Crashes,
            "own: Crashes.act raised an exception: ZeroDivisionError: no way (test",
        ),
        (
            Refuses,
            "be built for a state of 6 numbers: needs four hands; for the same and a",
        ),
        (NoConfig, "Its Config is None; give it a frozen dataclass"),
        (ThawedConfig, "give it a frozen dataclass"),
        (DemandingConfig, "Its Config has no default for chunk"),
        (NoPolicy, "expected a subclass of robomtl.policy.Policy"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_broken_policy_is_found_and_told(policy, sentence, found):
    problems = found(policy)
    assert any(sentence in problem for problem in problems), problems


@pytest.mark.parametrize("name", ["film", "in_context", "soft_modularization"])
def test_policies_keep_the_contract(name):
    assert check_policy(name) == []


def test_the_assertion_lists_the_findings(found):
    with pytest.raises(AssertionError, match=r"'own' breaks its contract:\n- own: The"):
        POLICIES.register("own", Normalises)
        assert_policy("own", config=SMALL)


def test_a_policy_that_methods_make_is_refused():
    with pytest.raises(InputError, match="'replay' is built by a method of adaptation"):
        check_policy("replay")


def test_the_policy_of_a_run_is_checked(tmp_path):
    subject = subject_of("film", {"width": 16})
    save(tmp_path, subject.build(), subject.card)
    assert check_policy(str(tmp_path)) == []


def test_what_is_neither_suite_nor_policy_is_refused(capsys):
    assert main(["check", "flim"]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert "Unknown suite or policy 'flim'. Did you mean 'film'" in said


def test_the_folder_of_a_package_that_is_not_installed_is_answered_by_how_to(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    new_package("suite", "my_suite")
    assert main(["check", "my_suite"]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert "my_suite is the folder of a package, and no suite or policy of this" in said
    assert "(pip install -e /" in said
