"""Packages of ``robomtl new``; scripts/wheel installs them, tests them and trains."""

import subprocess
import tomllib
from pathlib import Path

import pytest
from test_cli import refusal

from robomtl.cli.main import main
from robomtl.errors import InputError
from robomtl.new_package import new_package

ROOT = Path(__file__).parent.parent
KINDS = {"suite": "tray", "policy": "gated", "method": "wise"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of each kind."""
    folder = tmp_path_factory.mktemp("packages")
    for kind, name in KINDS.items():
        assert main(["new", kind, name, "--out", str(folder / name)]) == 0
    return folder


def test_a_package_has_a_module_tests_and_an_entry_point(packages: Path) -> None:
    for kind, name in KINDS.items():
        module = f"robomtl_{name}"
        files = sorted(path for path in (packages / name).rglob("*") if path.is_file())
        assert [str(path.relative_to(packages / name)) for path in files] == [
            "README.md",
            "pyproject.toml",
            f"{module}.py",
            f"tests/test_{module}.py",
        ]
        assert all(len(path.read_text().splitlines()) <= 100 for path in files)
        project = tomllib.loads((packages / name / "pyproject.toml").read_text())
        (entries,) = project["project"]["entry-points"].values()
        found, attribute = entries[name].split(":")
        assert found == module and project["tool"]["setuptools"]["py-modules"] == [
            module
        ]
        text = (packages / name / f"{module}.py").read_text()
        assert f"{attribute} = " in text or f"class {attribute}(" in text, kind
        assert not list(packages.glob(".new-*"))


def test_a_package_is_in_the_style_of_the_house(packages: Path) -> None:
    ruff = ["ruff", "--config", str(ROOT / "pyproject.toml")]
    for job in (["check", "--ignore", "D103"], ["format", "--check"]):
        subprocess.run([*ruff, *job, "."], cwd=packages, check=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My-Suite", r"'My-Suite' is invalid; .* such as 'my_suite'"),
        ("3d", "such as 'my_3d'"),
        ("../up", "such as 'up'"),
        ("a" * 41, f"such as '{'a' * 40}'"),
        ("", "such as 'my_suite'"),
        ("lambda", "'lambda' is a reserved word .*; use 'suite_lambda'"),
        ("points", "The suite 'points' exists already; use 'my_points'"),
    ],
)
def test_a_name_that_does_not_fit_is_refused_with_one_that_does(
    tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        new_package("suite", name, out=tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_a_folder_that_exists_and_an_unknown_kind_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "exists already; name another folder by --out" in refusal(
        capsys, "new", "policy", "gated", "--out", tmp_path
    )
    with pytest.raises(
        InputError, match="Unknown kind of package 'suit'. Did you mean"
    ):
        new_package("suit", "tray", out=tmp_path / "package")
