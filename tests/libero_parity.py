"""Compares robomtl's env of a task with LIBERO's own; run by LIBERO's interpreter."""

import importlib.util
import json
import sys

import numpy as np

OFFICIAL = 2_000_000


def main(file, task, variation, recorded):
    spec = importlib.util.spec_from_file_location("libero_server", file)
    server = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(server)
    ours = server.make(task, things=[], official=OFFICIAL, horizon=100)
    theirs = server.ControlEnv(
        bddl_file_name=server._resource("bddl_files", f"{task}.bddl"),
        has_renderer=False,
        has_offscreen_renderer=False,
        use_camera_obs=False,
    )
    # LIBERO draws the openings of drawers once more for each model that it has compiled.
    theirs.env.object_property_initializers.clear()
    # It shares the model with ours, so one plays after the other.
    np.random.seed(variation)
    theirs.reset()
    shipped = ours.states[variation - OFFICIAL]
    theirs.set_init_state(shipped)
    actions = [server.IDLE] * ours.settle + [*np.load(recorded)]
    fixtures = theirs.sim.model.body_pos.copy()
    played = []
    for action in actions:
        _, reward, _, _ = theirs.step(action)
        played.append((bool(reward), theirs.get_sim_state()))
    ours.begin(variation)
    begun = float(np.abs(ours.simulated.get_sim_state() - shipped).max())
    moved = float(np.abs(ours.simulated.sim.model.body_pos - fixtures).max())
    apart, solved = [], []
    places = slice(1, 1 + theirs.sim.model.nq)
    for action, (_, state) in zip(actions, played, strict=True):
        ours.advance(action)
        difference = ours.simulated.get_sim_state()[places] - state[places]
        apart.append(float(np.abs(difference).max()))
        solved.append(ours.success())
    found = {
        "begun": begun,
        "fixtures": moved,
        "apart": apart,
        "ours": solved,
        "theirs": [reward for reward, _ in played],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
