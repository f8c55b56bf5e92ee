import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.request import urlopen

import msgpack
import numpy as np
import pytest
import torch
from openpi_client.websocket_client_policy import WebsocketClientPolicy
from peculiar import Buggy, Counting, Drawing, KindAgent, Odd
from test_agent import NAMES, SUITE, saved
from test_cli import refusal
from websockets.exceptions import ConnectionClosedError

from robomtl import checkpoint
from robomtl.acting import policy_server
from robomtl.acting.actor import TaskInfo
from robomtl.acting.actor_settings import ActorSettings
from robomtl.acting.policy_actor import PolicyActor, Predictor
from robomtl.acting.policy_messages import pack, unpack
from robomtl.acting.policy_server import PolicyServer, ServerConfig
from robomtl.acting.policy_session import PolicySession
from robomtl.checkpoint import Card
from robomtl.cli import serve as verb
from robomtl.cli.main import main
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.features import ActionFeature, Embodiment, Feature
from robomtl.policies.mlp import MLP, MLPConfig
from robomtl.policy import Spec
from robomtl.task import Trial

TASK = NAMES[0]
CARD = Card(
    policy="mlp",
    config=vars(MLPConfig(width=16)),
    spec=Spec(state=3, action=2, embedding=0),
    conditioning=Conditioning(kinds=("none",), tasks=(TASK,)),
    suite="",
    suite_options={},
    step=0,
)
STATES = np.random.default_rng(0).normal(size=(8, 12))


@contextlib.contextmanager
def serving(agent, **settings):
    """The address of a server, which runs in a thread."""
    server = PolicyServer(agent, ServerConfig(port=0, **settings))
    loop, listening = asyncio.new_event_loop(), server.listening()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        yield run(listening.__aenter__())
        run(listening.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    agent = saved(tmp_path_factory.mktemp("policy"), chunk=3)
    with serving(agent) as address:
        yield address


def played(address, states):
    """Actions at each of these states, of one episode."""
    client = WebsocketClientPolicy(address)
    return [client.infer({"state": it, "task": TASK})["actions"] for it in states]


def test_a_client_of_openpi_receives_the_chunk_that_the_policy_predicts(
    tmp_path, address
):
    agent = saved(tmp_path, chunk=3)
    client = WebsocketClientPolicy(address)
    metadata = client.get_server_metadata()
    assert metadata["fingerprint"] == agent.fingerprint
    assert metadata["action_horizon"] == 3
    (robot,) = metadata["embodiments"].values()
    assert robot["observation"]["state"]["shape"] == [12]
    answer = client.infer({"state": STATES[0], "task": TASK})
    policy = checkpoint.load(agent.run).policy
    fixed = agent.card.conditioning.fixed([TaskInfo(TASK, None)])
    state = torch.from_numpy(STATES[:1]).float()
    planned = policy.act({"state": state}, fixed, None)[0][0]
    assert answer["actions"].dtype == np.float32
    assert np.allclose(answer["actions"], planned.numpy(), atol=1e-6)
    assert answer["server_timing"]["infer_ms"] > 0


@pytest.mark.parametrize("kind", [MLP, Drawing, Counting])
def test_an_answer_does_not_depend_on_other_clients(tmp_path, kind):
    agent = KindAgent(saved(tmp_path).run, kind)
    with serving(agent, batch_size=4) as address:
        alone = played(address, STATES)
        others = [np.roll(STATES, n, axis=0) * (n > 0) for n in range(1, 8)]
        with ThreadPoolExecutor(8) as threads:
            together = [*threads.map(lambda it: played(address, it), [STATES, *others])]
    assert np.array_equal(together[0], alone)
    assert np.array_equal(together[1], alone) == (kind is Drawing)


@pytest.mark.parametrize("acting", [{}, {"execute": 2}, {"ensemble": 0.1}])
@pytest.mark.parametrize("history", [1, 3])
def test_a_client_executes_what_an_evaluation_does(tmp_path, acting, history):
    card = saved(tmp_path, chunk=3).card
    spec = replace(card.spec, history=history)
    card = replace(card, spec=spec, acting=ActorSettings(**acting))
    policy = checkpoint.build(card).eval()
    actor = PolicyActor(card, Predictor(policy), SUITE)
    actor.start([Trial("points/MT4", TASK, 0)], [TaskInfo(TASK, None)])
    session, predict, taken = PolicySession(card), Predictor(policy), []
    seen = [{"state": state.astype(np.float32)} for state in STATES]
    while len(taken) < len(STATES):
        asked = session.requests({**seen[len(taken)], "task": TASK})
        taken.extend(session.actions([predict(each) for each in asked]))
    expected = [actor([each], np.ones(1, bool))[0] for each in seen]
    assert np.allclose(taken[: len(seen)], expected, atol=1e-6)


def test_an_episode_begins_with_a_connection_a_reset_or_another_instruction(tmp_path):
    with serving(KindAgent(saved(tmp_path).run, Counting)) as address:
        client = WebsocketClientPolicy(address)
        message = {"state": STATES[0], "task": TASK}
        first, second = (client.infer(message)["actions"] for _ in range(2))
        assert not np.array_equal(first, second)
        again = client.infer({**message, "reset": True})["actions"]
        assert np.array_equal(again, first)
        assert np.array_equal(client.infer({"state": STATES[0]})["actions"], second)
        client.infer({"state": STATES[0], "task": NAMES[1]})
        assert np.array_equal(client.infer(message)["actions"], first)
        assert np.array_equal(played(address, STATES[:1])[0], first)


WRONG = [
    (
        {"state": STATES[0, :5]},
        r"'state' is an array of shape \(5,\) and type float64;",
    ),
    (
        {"state": [[1.0], [1.0, 2.0]]},
        r"'state' is a list of 2; expected: state",
    ),
    ({"state": STATES[0] * np.nan}, r"'state' is not finite in components \[0, 1"),
    ({"state": STATES[0] * 1e300}, r"'state' is not finite in components \[0, 1"),
    ({"task": TASK}, r"lacks 'state': state of shape \(12,\)"),
    ({"stat": STATES[0]}, r"Unknown key 'stat'. Did you mean 'state'\?"),
    ({"state": STATES[0], "task": 7}, r"'task' is a int; send text"),
    (
        {"state": STATES[0]},
        r"conditioned on one_hot; send the name of the task as 'task'",
    ),
    ({"state": STATES[0], "task": "fly"}, r"Unknown task of a one-hot policy 'fly'"),
    ({"state": STATES[0], "task": TASK, "seed": -1}, r"'seed' is -1; send a whole"),
    ({"state": STATES[0], "task": TASK, "goal": [1.0]}, r"not conditioned on a goal"),
    ({"state": STATES[0], "reset": "no"}, r"'reset' is 'no'; expected True or False"),
    ({"state": STATES[0], "embodiment": "arm"}, r"Unknown embodiment 'arm'"),
]


@pytest.mark.parametrize(("message", "said"), WRONG)
def test_a_wrong_message_is_answered_by_what_is_wrong(address, message, said):
    client = WebsocketClientPolicy(address)
    with pytest.raises(RuntimeError, match=said):
        client.infer(message)
    assert len(client.infer({"state": STATES[0], "task": TASK})["actions"]) == 3


def test_a_policy_of_language_needs_an_instruction_and_one_of_a_goal_its_length(
    tmp_path,
):
    session = PolicySession(saved(tmp_path / "a", kinds=("language",)).card)
    with pytest.raises(InputError, match="send the instruction as 'prompt'"):
        session.requests({"state": STATES[0]})
    goal = saved(tmp_path / "b", kinds=("goal",), goal=(10, 12))
    session = PolicySession(goal.card)
    with pytest.raises(InputError, match=r"'goal' is a list of 3; .* shape \(2,\)"):
        session.requests({"state": STATES[0], "goal": [1.0, 2.0, 3.0]})
    (asked,) = session.requests({"state": STATES[0], "goal": [0.5, 2.0]})
    assert asked.task_embedding.tolist() == [[0.5, 2.0]]


def array(kind="<f4", shape=(2,), data=b"12345678"):
    parts = {b"__ndarray__": True, b"data": data, b"dtype": kind, b"shape": shape}
    return msgpack.packb({"state": parts})


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("text", "The message is text; send a MessagePack map"),
        (b"\xc1", "not MessagePack"),
        (b"\x81\xa1a" * 9000 + b"\x01", "not MessagePack"),
        (msgpack.packb([1]), r"The message is \[1\]; send a map from names"),
        (msgpack.packb({"a": {"b": 1}}), "'a' is a map; send each of its values"),
        (array("|O"), r"'state' has the type '\|O'; send numbers"),
        (array("<U1"), "has the type '<U1'; send numbers"),
        (array("f4,f4"), "has the type 'f4,f4'; send numbers"),
        (array("<f3"), "has the type '<f3'"),
        (array(shape=(3,)), r"of shape \[3\] and type float32 needs 12 bytes of data"),
        (array(shape=(2**40, 2**40)), "bytes of data; the message has something else"),
        (array(shape=(-2, -1)), r"has the shape \[-2, -1\]"),
        (array(data="12345678"), "needs 8 bytes of data; the message"),
    ],
)
def test_a_message_that_holds_no_numbers_is_refused(message, said):
    with pytest.raises(InputError, match=said):
        unpack(message)


def test_an_array_of_any_byte_order_keeps_its_values():
    sent = {"a": np.arange(6, dtype=">f8").reshape(2, 3), "b": np.zeros((0, 3), bool)}
    read = unpack(pack(sent))
    assert all(np.array_equal(read[name], sent[name]) for name in sent)


def test_a_message_too_large_ends_its_connection_alone(address, capsys):
    client, other = WebsocketClientPolicy(address), WebsocketClientPolicy(address)
    with pytest.raises(ConnectionClosedError, match="message too big.*exceeds limit"):
        client.infer({"state": np.zeros(100_000)})
    assert len(other.infer({"state": STATES[0], "task": TASK})["actions"]) == 3
    assert "exceeds limit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "said"), [(Buggy, "failed: .*no such layer"), (Odd, "are not finite")]
)
def test_a_policy_that_fails_is_reported_and_served_on(tmp_path, kind, said, capsys):
    with serving(KindAgent(saved(tmp_path).run, kind), batch_size=1) as address:
        client = WebsocketClientPolicy(address)
        for _ in range(2):
            with pytest.raises(RuntimeError, match=said):
                client.infer({"state": STATES[0], "task": TASK})
    assert "peculiar.py, line" in capsys.readouterr().err or kind is Odd


def test_a_server_says_that_it_lives(address):
    with urlopen(address.replace("ws", "http") + "/healthz") as answer:
        assert answer.read() == b"OK\n"


@pytest.fixture
def any_order(monkeypatch):
    """Leaves this process as it is, which other tests share."""
    monkeypatch.setattr(policy_server, "compute_deterministically", lambda: None)


def test_ctrl_c_ends_the_server(tmp_path, capsys, monkeypatch, any_order):
    monkeypatch.setattr(verb, "say", lambda _: os.kill(os.getpid(), signal.SIGINT))
    assert main(["serve", str(saved(tmp_path).run), "--port", "0"]) == 130
    assert "Stopped." in capsys.readouterr().err


def test_a_client_that_answers_nothing_does_not_hold_up_the_end(tmp_path):
    upgrade = (
        "GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with serving(saved(tmp_path)) as address:  # Its end may take 10 s at most.
        host, _, port = address.removeprefix("ws://").partition(":")
        silent = socket.create_connection((host, int(port)))
        silent.sendall(upgrade.encode())
        assert b" 101 " in silent.recv(64)
    silent.close()


def test_a_server_that_cannot_begin_says_why(tmp_path, capsys, any_order):
    run = saved(tmp_path).run
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(capsys, "serve", run, "--port", port)
    assert f"at 127.0.0.1, port {port}: " in said and "Give another --host or" in said
    assert "There is no device 'tpu'" in refusal(
        capsys, "serve", run, "--device", "tpu"
    )
    for given, wrong in [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"port": -1}, "port is"),
    ]:
        with pytest.raises(InputError, match=f"{wrong}.*; give "):
            ServerConfig(**given)


def test_without_websockets_the_extra_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets.asyncio.server", None)
    for name in ("robomtl.acting.policy_server", "robomtl.cli.serve"):
        monkeypatch.delitem(sys.modules, name)
    assert "pip install 'robomtl[serve]'" in refusal(capsys, "serve", tmp_path)


def robot(name, states, *, images=True):
    top = {"top": Feature(kind="image", shape=(16, 16, 3), camera="top")}
    state = {"state": Feature(kind="state", shape=(states,))}
    return Embodiment(
        name=name,
        observation=state | (top if images else {}),
        action=ActionFeature(size=states - 1),
    )


def session_of(*robots, kinds=("goal_image",)):
    conditioning = Conditioning(kinds=kinds, tasks=("reach",))
    spec = Spec(
        embodiments=robots,
        embedding=conditioning.size,
        goal_image="goal_image" in kinds,
    )
    card = replace(CARD, spec=spec, conditioning=conditioning)
    return PolicySession(card), Predictor(checkpoint.build(card).eval())


def test_images_of_the_scene_and_of_the_goal_reach_the_policy():
    session, predict = session_of(robot("arm", 3))
    picture = np.full((16, 16, 3), 7, np.uint8)
    message = {"state": np.zeros(3), "top": picture, "goal.top": picture + 1}
    (asked,) = session.requests(message)
    assert asked.first and asked.observation["goal.top"].shape == (1, 16, 16, 3)
    assert (asked.observation["top"] == 7).all()
    assert (asked.observation["goal.top"] == 8).all()
    assert session.actions([predict(asked)]).shape == (1, 2)
    assert not session.requests(message)[0].first
    assert session.requests(message | {"goal.top": picture})[0].first
    with pytest.raises(InputError, match="lacks 'top': image of shape") as said:
        session.requests({"state": np.zeros(3)})
    assert "(16, 16, 3)" in str(said.value)
    with pytest.raises(InputError, match=r"type float32; expected: image.* type uint8"):
        session.requests(message | {"top": picture.astype(np.float32)})


def test_each_robot_has_its_own_features_and_actions():
    session, predict = session_of(
        robot("arm", 3), robot("drone", 5, images=False), kinds=("none",)
    )
    with pytest.raises(
        InputError, match="name of the robot as 'embodiment': arm, drone"
    ):
        session.requests({"state": np.zeros(5)})
    flying = {"state": np.ones(5), "embodiment": "drone"}
    (asked,) = session.requests(flying)
    assert asked.observation["embodiment"].tolist() == [1]
    assert session.actions([predict(asked)]).shape == (1, 4)
    with pytest.raises(InputError, match="Unknown key 'top'"):
        session.requests(flying | {"top": np.zeros((16, 16, 3), np.uint8)})
