"""Kernels that are compiled side by side, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastbp.engine import companions

SCRIPT = """
import sys
import fastbp as fb

{before}
net = fb.MLP([3, 4, 2], activation={activation}, seed=0)
net.set_weights([[[1.0] * 4] * 3, [[1.0] * 2] * 4], [[0.0] * 4, [0.0] * 2])
print(net.predict([[1.0, 2.0, 3.0]]).tolist())
"""


def run(tmp_path: Path, before: str = "", activation: str = '"relu"') -> list[str]:
    """The output of a script in a new process with an empty cache, and the names of the kernels in the cache then."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "2", "NUMBA_OPT": "0"}
    script = SCRIPT.format(before=before, activation=activation)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return [done.stdout.strip(), *sorted(path.stem.partition("-")[0] for path in tmp_path.rglob("*.kernel"))]


def test_who_claims_a_kernel_first_compiles_it(tmp_path):
    mine, theirs = companions.Claims(str(tmp_path)), companions.Claims(str(tmp_path))
    assert mine("product")
    assert not theirs("product")
    assert theirs("loss")
    assert not mine("loss")


def test_where_claims_cannot_be_written_everybody_compiles(tmp_path):
    assert companions.Claims(str(tmp_path / "gone"))("product")


@pytest.mark.parametrize(
    "before",
    [
        "",
        "from multiprocessing import spawn; spawn.set_executable('/nowhere/python3')",  # it does not start
        "from multiprocessing import spawn; spawn.set_executable('/bin/false')",  # it is no Python
        "sys.frozen = True",  # an application that has Python inside
        "from fastbp.engine import companions; companions.CODE = 'raise SystemExit(1)'",  # it ends at once
    ],
)
@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: "ab")(0)) < 2, reason="this machine has one core")
def test_all_kernels_are_there_with_and_without_companions(tmp_path, before):
    output, *kernels = run(tmp_path, before)
    assert output == "[[24.0, 24.0]]"
    assert kernels.count("dense") == 2
    assert {"product", "scatter", "check_finite", "activate"} <= {*kernels}


def test_a_formula_of_a_script_is_compiled_too(tmp_path):
    """Other processes cannot read a function of a script, and need not."""
    assert run(tmp_path, activation="fb.activations.Formula(lambda z: z * 0.5, name='half')")[0] == "[[12.0, 12.0]]"


def test_a_companion_compiles_what_it_can_read(tmp_path, monkeypatch):
    """It leaves out what it cannot read, and goes on after an error."""

    class Kernel:
        def __init__(self, name: str):
            self.name = name

    compiled = []

    def make(kernels: list) -> None:
        compiled.extend(kernel.name for kernel in kernels)
        if kernels[0].name == "bad":
            raise ValueError("it does not compile")

    monkeypatch.setattr(companions.pickle, "loads", lambda each: Kernel(each.decode()) if each else 1 / 0)
    monkeypatch.setattr(companions.pickle, "load", lambda _: (str(tmp_path), [b"bad", b"", b"good"]))
    companions.serve(make)
    assert compiled == ["bad", "good"]


ZEROS = """
import numpy as np
import fastbp as fb
from fastbp.engine import companions, kernel_cache

X, y = np.zeros((400, 50)), np.ones(400)
X[::3, ::7] = 1.0

def trained():
    trainer = fb.Trainer(fb.MLP([50, 20, 1], seed=0), loss="squared_error", seed=0)
    trainer.partial_fit(X, y)
    return trainer.network.theta.tobytes()

def skips():
    return any("without_zeros" in name for name in kernel_cache.names().values())

{before}
first = trained()
print(skips())
companions.background.wait()
print(trained() == first, skips())
"""


@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: "ab")(0)) < 2, reason="this machine has one core")
@pytest.mark.parametrize(
    ("before", "at_once"),
    [
        ("", "False"),
        ("companions.CODE = 'raise SystemExit(1)'", "False"),  # it ends at once, and this process compiles them then
        ("companions.MOST = 0", "True"),
    ],
)
def test_a_training_does_not_wait_for_the_kernels_that_leave_zeros_out(tmp_path, before, at_once):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "2", "NUMBA_OPT": "0"}
    command = [sys.executable, "-W", "error", "-c", ZEROS.replace("{before}", before)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [at_once, "True", "True"]


def test_the_companion_in_the_background_ends_with_the_process(tmp_path):
    """What it has compiled is there, and nothing goes on."""
    before = "companions.CODE = 'import time; time.sleep(1e6)'; companions.possible = lambda: True"
    script = ZEROS.replace("{before}", before).replace("companions.background.wait()", "raise SystemExit")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "1", "NUMBA_OPT": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
