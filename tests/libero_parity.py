"""Run by the interpreter of LIBERO: compares our env of a task with LIBERO's own."""

import importlib.util
import json
import sys

import numpy as np

OFFICIAL, STEPS = 2_000_000, 30


def main(file, task, variation):
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
    np.random.seed(variation)
    theirs.reset()
    shipped = ours.states[variation - OFFICIAL]
    theirs.set_init_state(shipped)
    ours.begin(variation)
    begun = float(np.abs(ours.simulated.get_sim_state() - shipped).max())
    model, other = ours.simulated.env.sim.model, theirs.env.sim.model
    fixtures = float(np.abs(model.body_pos - other.body_pos).max())
    actions = np.random.default_rng(0).uniform(-1, 1, (STEPS, 7))
    apart, agreed = 0.0, True
    for step in range(STEPS):
        action = server.IDLE if step < 10 else actions[step]
        _, reward, _, _ = theirs.step(action)
        ours.advance(action)
        places = [
            each.get_sim_state()[1 : 1 + model.nq] for each in (ours.simulated, theirs)
        ]
        apart = max(apart, float(np.abs(places[0] - places[1]).max()))
        agreed &= bool(reward) == ours.success()
    print(
        json.dumps(
            {"begun": begun, "fixtures": fixtures, "apart": apart, "agreed": agreed}
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
