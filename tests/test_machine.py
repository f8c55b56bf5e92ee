import os
import subprocess
import sys

import pytest
import torch

from robomtl.execution import machine
from robomtl.execution.machine import (
    Machine,
    computes_in_bfloat16,
    device_of,
    resolved,
    resolved_in,
)
from robomtl.files.folder_kinds import JOURNAL
from robomtl.progress import quiet

CPU = torch.device("cpu")


def says(monkeypatch, *, claims, seconds):
    """A processor that claims bfloat16 or not, and how long a product takes in it."""
    monkeypatch.setattr(machine, "_claims_bfloat16", lambda device: claims)
    monkeypatch.setattr(
        machine, "_seconds", lambda it: seconds if it.dtype == torch.bfloat16 else 1.0
    )
    computes_in_bfloat16.cache_clear()


@pytest.fixture(autouse=True)
def _forget():
    yield
    computes_in_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("claims", "seconds", "precision"),
    [
        (True, 0.5, "bfloat16"),
        (True, 1.5, "float32"),
        (True, 66.0, "float32"),
        (False, 0.5, "float32"),
    ],
)
def test_auto_is_bfloat16_where_torch_says_so_and_a_product_is_quicker(
    monkeypatch, claims, seconds, precision
):
    says(monkeypatch, claims=claims, seconds=seconds)
    assert resolved(Machine()) == Machine(device="cpu", precision=precision)
    assert resolved(Machine(precision="float32")).precision == "float32"
    assert resolved(Machine(precision="bfloat16")).precision == "bfloat16"


@pytest.mark.slow
def test_a_processor_that_emulates_bfloat16_computes_in_float32():
    script = (
        "from robomtl.execution.machine import Machine, resolved;"
        "print(resolved(Machine()).precision)"
    )
    old = {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **old},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "float32"


def test_measuring_leaves_the_threads_as_they_were(monkeypatch):
    monkeypatch.setattr(machine, "_claims_bfloat16", lambda device: True)
    computes_in_bfloat16.cache_clear()
    before = torch.get_num_threads()
    computes_in_bfloat16(CPU)
    assert torch.get_num_threads() == before


def test_cuda_is_taken_where_there_is_one(monkeypatch):
    assert device_of("auto") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("auto") == torch.device("cuda")


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no device 'evil' here; torch finds cpu"):
        resolved(Machine(device="evil"))


def test_an_unknown_precision_names_the_nearest():
    with pytest.raises(ValueError, match="'float23'. Did you mean 'float32'"):
        Machine(precision="float23")


def test_a_folder_keeps_its_precision_on_a_machine_that_emulates_it(
    monkeypatch, tmp_path, capsys
):
    says(monkeypatch, claims=True, seconds=0.5)
    began = resolved_in(tmp_path, Machine())
    assert "Computing on cpu in bfloat16." in capsys.readouterr().err
    says(monkeypatch, claims=False, seconds=66.0)
    assert resolved_in(tmp_path, Machine()) == began
    assert (
        "cpu has no native bfloat16 here: a matrix product" in capsys.readouterr().err
    )
    with pytest.raises(
        ValueError, match="is 'bfloat16' in the folder and 'float32' now"
    ):
        resolved_in(tmp_path, Machine(precision="float32"))


def test_work_from_before_precision_could_be_chosen_is_in_bfloat16(tmp_path):
    (tmp_path / JOURNAL).touch()
    with quiet():
        assert resolved_in(tmp_path, Machine()).precision == "bfloat16"
