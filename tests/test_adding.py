"""Adding pictures to a data set of states by replaying its episodes."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from broken_sets import DATA, edit, having

from robomtl.cli.main import main
from robomtl.demonstrations import (
    CollectionConfig,
    Demonstrations,
    add_cameras,
    adding,
    collect,
)
from robomtl.envs.points_env import PointsEnv
from robomtl.errors import InputError, PlugInError
from robomtl.execution.compute import Compute
from robomtl.suites import suite

pytest.importorskip("av")
pytestmark = pytest.mark.usefixtures("forked_workers")
CONFIG = CollectionConfig(
    tasks=["reach-red", "reach-flag"], episodes=2, noise=0.6, seed=3
)
ALONE = Compute(workers=1)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of disturbed experts, without pictures."""
    folder = tmp_path_factory.mktemp("states") / "data"
    collect(suite("points/MT4"), folder, config=CONFIG, compute=ALONE)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_pictures_added_later_are_those_of_a_collection_with_cameras(
    states: Path, tmp_path: Path
) -> None:
    seen = suite("points/MT4", images=16)
    collect(seen, tmp_path / "seen", config=CONFIG, compute=ALONE)
    words = f"data add-camera {states} --images 16 --workers 1 --out {tmp_path / 'new'}"
    assert main(words.split()) == 0
    assert contents(tmp_path / "new") == contents(tmp_path / "seen")
    assert main(words.split()) == 0
    assert main([*words.split(), "--video", "lossless"]) == 2


def test_what_was_drawn_is_kept_and_other_pictures_are_refused(
    states: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, made = tmp_path / "new", []

    def stopped(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(adding, "_write", stopped)
        with pytest.raises(KeyboardInterrupt):
            add_cameras(states, out, options={"images": 16}, compute=ALONE)
    with pytest.raises(
        InputError, match="options.images is 16 in the folder and 32 now"
    ):
        add_cameras(states, out, options={"images": 32}, compute=ALONE)
    monkeypatch.setattr(adding, "_Drawing", lambda *given: made.append(given))
    add_cameras(states, out, options={"images": 16}, compute=ALONE)
    data = Demonstrations(out, observe=("top",))
    assert len(data) == 4
    assert data.columns["observation.images.top"].shape[1:] == (16, 16, 3)


def test_a_frame_that_differs_when_it_is_played_again_is_refused(
    states: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for path, content in contents(states).items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content)
    schema = pq.read_schema(data / DATA)

    def moved(columns: dict[str, Any]) -> dict[str, Any]:
        columns["observation.state"][3][0] += 0.25
        return columns

    edit(data, DATA, moved)
    table = pq.read_table(data / DATA).cast(schema)
    pq.write_table(table, data / DATA)
    message = (
        r"episode 0 \(reach-red, variation 0\) .*, step 3: component 0 .* 0.25 apart"
    )
    with pytest.raises(InputError, match=message):
        add_cameras(data, tmp_path / "new", options={"images": 16}, compute=ALONE)
    assert not (tmp_path / "new/meta").exists()


def test_data_without_a_simulator_and_suites_without_pictures_are_refused(
    states: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="observes no images; name its cameras"):
        add_cameras(states, tmp_path / "new", options={})
    from robomtl.cli import data

    with pytest.raises(InputError, match="Unknown data command 'add'. Did you"):
        data.main(["add", str(states)])
    with pytest.raises(SystemExit):
        data.main([])
    assert "robomtl data add-camera" in capsys.readouterr().out
    with pytest.raises(
        InputError, match="is the data set itself, which is not changed"
    ):
        add_cameras(states, states, options={"images": 16})
    for path, content in contents(states).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "meta/robomtl.json").unlink()
    with pytest.raises(InputError, match="data set of another tool: the suite and the"):
        add_cameras(tmp_path, tmp_path / "new", options={"images": 16})
    for changed, said in (
        (having("tasks", ["reach-red"]), "its request lacks 'reach-flag', which is a"),
        (having("tasks", None), "its request is damaged: .*tasks: expected array"),
        (having("episodes", "two"), "its request is damaged: .*episodes: expected int"),
    ):
        about = json.loads((states / "meta/robomtl.json").read_text())
        about["request"] = changed(about["request"])
        (tmp_path / "meta/robomtl.json").write_text(json.dumps(about))
        with pytest.raises(InputError, match=said):
            add_cameras(tmp_path, tmp_path / "new", options={"images": 16})


def test_an_env_that_cannot_be_drawn_is_named(
    states: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(env: PointsEnv) -> None:
        raise RuntimeError("GL error 1282")

    monkeypatch.setattr(PointsEnv, "pictures", failing)
    with pytest.raises(
        PlugInError,
        match=r"'reach-red', variation \d+, cannot be rendered: RuntimeError: GL",
    ):
        add_cameras(states, tmp_path / "new", options={"images": 16}, compute=ALONE)
