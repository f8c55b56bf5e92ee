import ast
import os
import re
import runpy
import stat
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import robomtl
from robomtl.checking.checking import check_suite as check

ROOT = Path(__file__).parent.parent
ROOMS = ("encoders", "envs", "policies")
DOCS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def core():
    """Modules of the core, in the package itself and in its subpackages."""
    for path in sorted((ROOT / "robomtl").glob("*")):
        if path.is_dir() and path.name not in ROOMS:
            yield from sorted(path.rglob("*.py"))
        elif path.suffix == ".py":
            yield path


def packaged():
    """Modules of the core and of the rooms."""
    yield from core()
    for room in ROOMS:
        yield from (ROOT / room).glob("*.py")


@cache
def parsed(path):
    return ast.parse(path.read_text())


def imported(path):
    """Full names of what a module imports."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_core_imports_no_room():
    rooms = tuple(f"robomtl.{room}" for room in ROOMS)
    names = [(path, name) for path in core() for name in imported(path)]
    assert names
    assert not [each for each in names if each[1].startswith(rooms)]


@pytest.mark.parametrize("part", ["training", *ROOMS])
def test_what_adaptation_builds_on_does_not_import_it(part):
    paths = (ROOT / "robomtl" / part).glob("*.py")
    names = [name for path in paths for name in imported(path)]
    assert names
    assert not [name for name in names if name.startswith("robomtl.adaptation")]


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_flat(room):
    assert not list((ROOT / room).glob("*/*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_links_point_at_rooms(room):
    link = ROOT / "robomtl" / room
    assert link.is_symlink()
    assert link.readlink() == Path("..") / room


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_cannot_be_imported_without_its_package(room):
    result = subprocess.run(
        [sys.executable, "-c", f"import {room}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert f"Import robomtl.{room}, not {room}." in result.stderr


def test_every_package_is_built_into_the_wheel():
    modules = [
        path.relative_to(ROOT)
        for depth in ("*.py", "*/*.py", "*/*/*.py")
        for path in (ROOT / "robomtl").glob(depth)
    ]
    found = {".".join(module.parent.parts) for module in modules}
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_data_files_beside_modules_are_built_into_the_wheel():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    for package in PROJECT["tool"]["setuptools"]["packages"]:
        folder = ROOT.joinpath(*package.split("."))
        packed = {path for p in patterns.get(package, []) for path in folder.glob(p)}
        data = {path for path in folder.glob("*.*") if path.suffix != ".py"}
        assert data == {path for path in packed if path.is_file()}


def loaded_by(modules):
    """Names of the modules that an import of some loads."""
    code = f"import sys, {modules}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.split()


def test_importing_the_package_loads_no_simulator_and_no_network():
    loaded = loaded_by("robomtl")
    assert not {"torch", "mujoco", "metaworld", "gymnasium"} & set(loaded)


def test_workers_of_experts_load_no_network():
    work = "robomtl.demonstrations.expert_episodes, robomtl.evaluation.work"
    loaded = loaded_by(f"{work}, robomtl.checking.checking")
    assert not {"torch", "mujoco", "metaworld", "scipy"} & set(loaded)


def test_collecting_and_checking_episodes_of_experts_load_no_network():
    loaded = loaded_by("robomtl.cli.collect, robomtl.cli.check")
    assert not {"torch", "scipy"} & set(loaded)


def test_a_module_that_registers_a_suite_loads_no_network():
    loaded = loaded_by(
        "robomtl.registry; robomtl.registry.SUITES, robomtl.from_gymnasium"
    )
    assert not {"torch", "scipy"} & set(loaded)


@pytest.mark.parametrize("name", robomtl.__all__)
def test_every_public_name_of_the_package_loads(name):
    assert getattr(robomtl, name) is not None


def test_public_names_may_differ_from_those_of_the_module():
    assert robomtl.check_suite is check
    assert robomtl.ExpertAgent().name == "expert"


def test_an_unknown_public_name_is_refused():
    with pytest.raises(AttributeError, match="No robomtl attribute trane"):
        _ = robomtl.trane


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_docs_name_only_what_the_package_has(path):
    named = re.findall(r"\brobomtl\.([a-zA-Z]\w*)\(", path.read_text())
    assert set(named) <= set(robomtl.__all__)


def test_every_runtime_dependency_is_used():
    tops = {name.partition(".")[0] for path in packaged() for name in imported(path)}
    wanted = {
        re.split("[=>]", requirement)[0].replace("-", "_")
        for requirement in PROJECT["project"]["dependencies"]
    }
    through_torch = {"packaging", "tensorboard"}  # By torch.utils.tensorboard.
    assert wanted <= tops | through_torch


@pytest.mark.parametrize("name", ["setup", "test", "quickstart", "wheel"])
def test_scripts_can_be_run(name):
    assert os.stat(ROOT / "scripts" / name).st_mode & stat.S_IXUSR


def test_constraints_pin_every_direct_dependency_exactly():
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["dependency-groups"]["dev"],
        *(requirement for extra in extras for requirement in extra),
    ]
    names = {name.partition(">")[0].partition("=")[0].lower() for name in wanted}
    assert names <= pinned


def test_the_lock_has_the_pinned_versions_with_their_hashes():
    def pins(text):
        return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))

    def plain(versions):
        return {re.sub(r"[-_.]+", "-", n).lower(): v for n, v in versions.items()}

    text = (ROOT / "requirements.lock").read_text()
    locked, pinned = (
        plain(pins(each)) for each in (text, (ROOT / "constraints.txt").read_text())
    )
    assert {name: locked[name] for name in locked if name in pinned} == {
        name: version for name, version in pinned.items() if name in locked
    }
    required = [*PROJECT["project"]["dependencies"], "setuptools"]
    for extra, more in PROJECT["project"]["optional-dependencies"].items():
        required += more if extra != "docs" else []  # Its theme needs Python 3.11.5.
    names = [re.match(r"[\w.-]+", each)[0].lower() for each in required]
    assert {re.sub(r"[-_.]+", "-", name) for name in names} <= {*locked}
    for each in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
        assert not each or "--hash=sha256:" in each, each


def test_the_map_names_what_there_is():
    drawn = runpy.run_path(str(ROOT / "scripts" / "draw_map.py"), run_name="drawn")
    named = [name for way in drawn["WAYS"].values() for name, _ in way]
    named += [name for name, _ in drawn["ROOMS"]]
    assert [name for name in named if not (ROOT / "robomtl" / name).exists()] == []
    picture = (ROOT / "docs" / "map.svg").read_text()
    parts = {part for name in named for part in name.strip("/").split("/")}
    assert [part for part in parts if part not in picture] == []


def described_fields(path):
    """Name and text of each field of the dataclasses of a module."""
    for made in ast.walk(parsed(path)):
        if isinstance(made, ast.ClassDef) and made.decorator_list:
            for field, text in pairwise(made.body):
                match field, text:
                    case ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(said))):
                        yield ast.unparse(field.target), said


def test_few_modules_of_the_package_share_a_file_name():
    counts = Counter(path.name for path in core() if path.stem != "__init__")
    shared = {name: count for name, count in counts.items() if count > 1}
    assert sum(shared.values()) <= 10, sorted(shared)


def test_the_room_of_experiments_names_what_it_has():
    room = ROOT / "robomtl" / "experiments"
    text = (room / "__init__.py").read_text()
    there = {path.stem for path in (*room.rglob("*.py"), *room.glob("*"))}
    assert {*re.findall(r"``(\w+)``", text)} <= there | {"Experiment", "Report"}


def test_no_line_of_a_field_s_text_breaks_its_help():
    # tyro joins lines of a paragraph, but for those that begin with no letter.
    for path in packaged():
        for name, text in described_fields(path):
            _, *lines = text.splitlines()
            assert all(line.strip()[:1].isalpha() for line in lines), (path, name)


_ELLIPTIC = re.compile(r"(What|How|Those|That|Which|Who|Whose|Its|Of)\b")


def documented(path):
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for made in ast.walk(parsed(path)):
        if isinstance(made, kinds) and (text := ast.get_docstring(made)):
            yield getattr(made, "name", path.stem), text
    yield from described_fields(path)


def test_docstrings_name_their_subject():
    elliptic = [
        f"{path.stem}: {name}: {text.splitlines()[0]}"
        for path in packaged()
        for name, text in documented(path)
        if _ELLIPTIC.match(text)
    ]
    assert not elliptic
