import re
import shlex
import shutil
import socket
import sys
from dataclasses import replace

import hub as stand_in
import huggingface_hub.constants
import pytest
from evaluations import evaluation
from test_agent import saved
from test_cli import refusal

import robomtl
from robomtl import checkpoint
from robomtl.cli.main import main
from robomtl.cli.suite_options import options_from
from robomtl.evaluation.results import Results
from robomtl.hub import repository

OUTCOMES = {"reach": "11011", "push|pull": "0100x"}


@pytest.fixture
def hub(monkeypatch):
    # The client's other way to upload speaks no plain HTTP.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    with stand_in.running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


def policy(folder):
    """A run directory with an evaluation in it."""
    agent = saved(folder)
    evaluation(OUTCOMES, fingerprint=agent.fingerprint).write(folder / "fresh")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory, forked_workers):
    folder = tmp_path_factory.mktemp("data") / "points"
    suite = robomtl.suite("points/MT4", horizon=8)
    robomtl.collect(
        suite,
        folder,
        config=robomtl.CollectionConfig(tasks=["reach-red"], episodes=1),
        compute=robomtl.Compute(workers=1),
    )
    return folder


def test_a_policy_returns_from_the_hub_with_its_evaluation(tmp_path, hub, capsys):
    run = policy(tmp_path / "run")
    assert main(["push", str(run), "me/mlp", "--license", "mit"]) == 0
    assert "Pushed: http" in capsys.readouterr().out
    assert main(["pull", "me/mlp", "--out", str(tmp_path / "got")]) == 0
    there = checkpoint.load(tmp_path / "got")
    assert there.fingerprint == checkpoint.load(run).fingerprint
    results = Results.read(tmp_path / "got" / "evaluations" / "fresh")
    assert results == Results.read(run / "fresh")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["got", "run"]
    assert not list((tmp_path / "got").rglob(".*"))


def test_the_card_has_success_with_intervals_protocol_and_command(tmp_path, hub):
    run, other = policy(tmp_path / "run"), tmp_path / "official"
    of = Results.read(run / "fresh")
    custom = {"protocol": "custom (fresh, but 3 episodes)", "instructions": "held-out"}
    custom["acting"] = {"execute": 2, "history": 3}
    replace(of, setting=replace(of.setting, **custom)).write(other)
    words = ["push", run, "me/mlp", "--license", "mit", "--evaluations", other]
    assert main(list(map(str, words))) == 0
    card = hub.files("me/mlp")["README.md"].decode()
    _, front, body = card.split("---\n", 2)
    assert "license: mit\n" in front and "  - mlp\n" in front
    assert "| reach | 80.0% | 37.6% to 96.4% | 4/5 |\n" in body
    assert "| push\\|pull | 25.0% | 4.6% to 69.9% | 1/4 |\n" in body
    assert "    robomtl pull me/mlp --out policy\n" in body
    with_ = "--suite-options horizon=50 goals=observable"
    tasks = "--tasks reach 'push|pull'"
    line = f"robomtl evaluate policy --suite toy/MT2 --protocol fresh {tasks} {with_}\n"
    assert line in body
    line = (
        f"--variations fresh --episodes 10 --until horizon {tasks} --instructions held-"
    )
    assert f"{line}out --execute 2 {with_}\n" in body
    assert "| robot | `state` (12,) | 2 numbers within [-1, 1] |" in body


def arms(
    variant: str = "",
    *,
    joints: int = 7,
    slow: bool = False,
    cameras: tuple[str, ...] = (),
    speed: float = 1.0,
    robot: str = "",
):
    return robomtl.suite("points/MT4")


def test_the_command_of_a_card_has_the_options_of_any_suite(tmp_path, hub, no_suites):
    no_suites.register("arms", arms)
    agent = saved(tmp_path / "run")
    options = {"joints": 6, "slow": True, "cameras": ["top", "wrist"], "speed": 0.5}
    options |= {"robot": "two arms", "unset": None, "suites": {"a": {}}}
    done = evaluation(
        OUTCOMES, fingerprint=agent.fingerprint, suite="arms", options=options
    )
    done.write(tmp_path / "run" / "fresh")
    robomtl.push(tmp_path / "run", "me/mlp")
    body = hub.files("me/mlp")["README.md"].decode()
    (command,) = re.findall("robomtl evaluate .*", body)
    words = shlex.split(command.partition("--suite-options ")[2])
    del options["unset"], options["suites"]
    given = options_from("arms", words)
    assert given == {**options, "cameras": ("top", "wrist")}


def test_a_later_push_replaces_what_an_earlier_one_left(tmp_path, hub):
    run = policy(tmp_path / "run")
    robomtl.push(run, "me/mlp")
    (run / "fresh").rename(run / "again")
    robomtl.push(run, "me/mlp")
    played = {path.split("/")[1] for path in hub.files("me/mlp") if "/" in path}
    assert played == {"again"} and len(hub.commits["model", "me/mlp"]) == 2


def test_demonstrations_return_from_the_hub(tmp_path, hub, data):
    assert main(["push", str(data), "me/points"]) == 0
    card = hub.files("me/points", "dataset")["README.md"].decode()
    assert (
        "license: unknown\n" in card
        and "| reach-red | reach the red target | 1 |" in card
    )
    for name in ("me/points", "datasets/me/points"):
        out = robomtl.pull(name, out=tmp_path / name.replace("/", "-"))
        got, sent = robomtl.Demonstrations(out), robomtl.Demonstrations(data)
        assert got.fingerprint == sent.fingerprint


def test_a_pull_that_was_interrupted_goes_on(tmp_path, hub, monkeypatch, capsys):
    robomtl.push(policy(tmp_path / "run"), "me/mlp")
    answer = stand_in._Handler._resolve

    def broken(handler, name, at, file):
        if file == "policy.safetensors":
            handler._missing("Forbidden", 403)
        else:
            answer(handler, name, at, file)

    monkeypatch.setattr(stand_in._Handler, "_resolve", broken)
    words = ("pull", "me/mlp", "--out", tmp_path / "got")
    assert "(HTTP 403); log in with 'hf auth login'" in refusal(capsys, *words)
    monkeypatch.setattr(stand_in._Handler, "_resolve", answer)
    hub.requests.clear()
    assert main(list(map(str, words))) == 0
    asked = {path.rpartition("/")[2] for _, path in hub.requests if "resolve" in path}
    assert asked == {"policy.safetensors"}


def changed(hub, name, path, content):
    hub.put(name, hub.files(name) | {path: content})


WRONG = [
    (
        {"pytorch_model.bin": b"x"},
        r"has another format: it has no policy.json, which a",
    ),
    (
        {"policy.json": b"{}", "model.pkl": b"x"},
        r"contains 'model.pkl', which is not a file of",
    ),
    (
        {"policy.json": b"{}", "../x.json": b""},
        r"contains '../x.json', which is not a file of",
    ),
    (
        {"policy.json": b"{}", "evaluations/../results.json": b""},
        r"which is not a file of",
    ),
    (
        {"policy.json": b"{}", "/etc/x.json": b""},
        r"contains '/etc/x.json', which is not a file",
    ),
    (
        {"policy.json": b"{}", "policy.safetensors": b""},
        r"me/mlp/policy.json has format",
    ),
]


@pytest.mark.parametrize(("files", "said"), WRONG)
def test_a_repository_of_anything_else_is_refused(tmp_path, hub, files, said):
    hub.put("me/mlp", files)
    with pytest.raises(robomtl.InputError, match=said):
        robomtl.pull("me/mlp", out=tmp_path / "got")
    assert not list(tmp_path.iterdir())


def test_damaged_weights_and_absurd_sizes_are_refused(tmp_path, hub):
    run, out = policy(tmp_path / "run"), tmp_path / "got"
    robomtl.push(run, "me/mlp")
    hub.announced["policy.safetensors"] = 10**15
    with pytest.raises(
        robomtl.InputError, match=r"needs 1,000,000.0 GB, and the disk of"
    ):
        robomtl.pull("me/mlp", out=out)
    hub.announced = {"policy.json": 10**8}
    with pytest.raises(
        robomtl.InputError, match=r"policy.json of 100,000,000 bytes; JSON"
    ):
        robomtl.pull("me/mlp", out=out)
    hub.announced = {"policy.safetensors": 5}
    with pytest.raises(
        robomtl.InputError, match="not a regular file of 5 bytes, as the hub"
    ):
        robomtl.pull("me/mlp", out=out)
    hub.announced = {}
    weights = hub.files("me/mlp")["policy.safetensors"]
    changed(hub, "me/mlp", "policy.safetensors", weights[:-1] + b"\0")
    with pytest.raises(
        robomtl.InputError, match="me/mlp cannot be used: me/mlp/policy.s"
    ):
        robomtl.pull("me/mlp", out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_cannot_be_pulled_is_refused(tmp_path, hub, capsys):
    out = ("--out", tmp_path / "got")
    assert "exists; name another folder" in refusal(
        capsys, "pull", "me/mlp", "--out", tmp_path
    )
    assert "has no repository 'me/mlp' that you can read" in refusal(
        capsys, "pull", "me/mlp", *out
    )
    assert "'a/b/c' is not the name of a repository; give OWNER/NAME" in refusal(
        capsys, "pull", "a/b/c", *out
    )
    hub.put("me/other", {"policy.json": b"{}"})
    (tmp_path / "file").touch()
    with pytest.raises(robomtl.InputError, match="is a file or a broken link; give"):
        robomtl.pull("me/other", out=tmp_path / "file/got")


def test_what_cannot_be_pushed_is_refused(tmp_path, hub, data):
    run = policy(tmp_path / "run")
    with pytest.raises(
        robomtl.InputError, match="'forbidden/mlp', or denies this access"
    ):
        robomtl.push(run, "forbidden/mlp")
    hub.put("me/other", {"pytorch_model.bin": b"x"})
    with pytest.raises(robomtl.InputError, match="me/other has another format"):
        robomtl.push(run, "me/other")
    assert list(hub.files("me/other")) == ["pytorch_model.bin"]
    with pytest.raises(
        robomtl.InputError, match="is a data set, which has no evaluations"
    ):
        robomtl.push(data, "me/points", evaluations=[run / "fresh"])
    with pytest.raises(
        robomtl.InputError, match="contains data sets, such as .*points; push each to"
    ):
        robomtl.push(data.parent, "me/points")
    with pytest.raises(
        robomtl.InputError, match="licence is 'MIT License'; give the hub's"
    ):
        robomtl.push(run, "me/mlp", license_name="MIT License")
    with pytest.raises(
        robomtl.InputError, match="has no policy.json; name a run directory"
    ):
        robomtl.push(tmp_path, "me/mlp")
    robomtl.push(run, "me/mlp", evaluations=[run / "fresh"])
    shutil.copytree(run / "fresh", tmp_path / "fresh")
    with pytest.raises(robomtl.InputError, match="Two evaluations would have the same"):
        robomtl.push(run, "me/mlp", evaluations=[tmp_path / "fresh"])
    evaluation(OUTCOMES, fingerprint="another").write(run / "other")
    with pytest.raises(
        robomtl.InputError, match="other is of another policy than that of"
    ):
        robomtl.push(run, "me/mlp")


def test_a_hub_that_does_not_answer_is_said_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(repository, "_TIMEOUT", 0.1)
    words = ("pull", "me/mlp", "--out", tmp_path / "got")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        assert "does not answer (" in refusal(capsys, *words)
        silent.listen()
        assert "Nothing is lost: run the same command" in refusal(capsys, *words)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refusal(capsys, *words)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("<html>log in to this network</html>", "does not answer like a hub: "),
        ("[]", "does not answer like a hub: "),
        (
            '{"id": "me/mlp", "siblings": [{}]}',
            "does not answer like a hub: KeyError",
        ),
        (
            '{"id": "me/mlp", "siblings": [{"rfilename": "policy.json", "size": -1}]}',
            "The description of 'me/mlp' on .* is damaged: .*expected int >= 0",
        ),
        (
            '{"id": "me/mlp", "sha": 7}',
            "The description of 'me/mlp' on .* expected str",
        ),
    ],
)
def test_an_answer_that_is_not_a_hub_s_is_said_so(tmp_path, hub, capsys, answer, said):
    hub.put("me/mlp", {})
    hub.described = answer.encode()
    words = ("pull", "me/mlp", "--out", tmp_path / "got")
    assert re.search(said, refusal(capsys, *words))


def test_without_its_client_the_extra_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for name in ("robomtl.hub.repository", "robomtl.hub.download", "robomtl.cli.pull"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    words = ("pull", "me/mlp", "--out", tmp_path / "got")
    assert "pip install 'robomtl[hub]'" in refusal(capsys, *words)
