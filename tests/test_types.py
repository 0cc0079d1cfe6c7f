"""Types: a user's script passes the strict checks of mypy and of pyright."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from helpers import PACKAGE, TESTS

SCRIPT = str(TESTS / "typed_script.py")


def check(command: list[str], directory: str) -> None:
    """Run a checker; fail, and show what it says, if it finds anything."""
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    check([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", SCRIPT], str(tmp_path))


MISTAKES = """
import fastbp as fb
net = fb.MLP([2, 1], init="he")
net.fit
trainer = fb.Trainer(net, loss="squared_error", gradient="lasy")
trainer.batchsize
trainer.fit([[1.0]], [1.0], verbose=1)
trainer.fit([[1.0]], [1.0], progress="line")
trainer.fit([[1.0]], [1.0], class_weight="even")
fb.EarlyStopping(mode="minimum")
fb.schedules.Cosine(3, per="batch")
fb.Checkpoint("run", per="batch")
fb.losses.Huber("a")
fb.Sequential
"""


def test_mistakes_are_found(tmp_path):
    """In each line but the import."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "mistakes.py"]
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert found == {*range(3, 1 + MISTAKES.count("\n"))}, done.stdout


def test_pyright(tmp_path):
    if not shutil.which("pyright"):
        pytest.skip("pyright is not installed")
    shutil.copy(SCRIPT, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(PACKAGE.parent)]}))
    check(["pyright", "--pythonpath", sys.executable], str(tmp_path))


def test_the_script_runs(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, SCRIPT], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.safetensors").exists()
    assert done.stdout.startswith("1 ")


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").exists()
