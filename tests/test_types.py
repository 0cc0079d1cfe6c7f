"""Types: the package and a user's script pass the strict checks of mypy, and the script also those of pyright."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PACKAGE, ROOT, TESTS

SCRIPT = TESTS / "typed_script.py"
MISTAKES = """
import fastbp as fb
net = fb.MLP([2, 1], init="he")
fb.MLP([2, 3, 1], activation="rellu")
fb.MLP([2, 1], output="sofmax")
net.seed = 3
net.gradients([[1.0]], [1.0], loss="mse", inputs=True)[4]
net.gradients([[1.0]], [1.0], loss="nll")
net.fit
trainer = fb.Trainer(net, loss="squared_error", gradient="lasy")
trainer.batchsize
trainer.learning_rate = 3
trainer.loss = "crossentropi"
fb.Trainer(net, loss="mse", optimizer="adm")
fb.Trainer(net, loss="mse", metrics=["acuracy"])
fb.Trainer(net)
net.predict([[1.0]], batch_size=3)
trainer.fit([[1.0]], [1.0], verbose=1)
trainer.fit([[1.0]], [1.0], progress="line")
trainer.fit([[1.0]], [1.0], class_weight="even")
fb.EarlyStopping(mode="minimum")
fb.schedules.Cosine(3, per="batch")
fb.Checkpoint("run", per="batch")
fb.losses.Huber("a")
fb.Sequential
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The errors that mypy finds in the package, in a user's script and in one with mistakes.

    All three are checked at once: most of the time goes into reading what the package imports.
    """
    pytest.importorskip("mypy", reason="mypy is not installed")
    directory = tmp_path_factory.mktemp("mypy")
    (directory / "mistakes.py").write_text(MISTAKES)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--show-absolute-path"]
    command += [str(PACKAGE), str(SCRIPT), "mistakes.py"]
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True)
    assert done.returncode < 2, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error:" in line]


def of_file(errors: list[str], path: Path) -> list[str]:
    """The errors in a file, or in a folder."""
    return [line for line in errors if line.startswith(str(path))]


def test_the_package(errors):
    found = of_file(errors, PACKAGE)
    assert not found, "\n".join(found)


def test_the_script_of_a_user(errors):
    found = of_file(errors, SCRIPT)
    assert not found, "\n".join(found)


def test_mistakes_are_found(errors):
    """In each line but the import."""
    found = {int(line.split(":")[1]) for line in errors if Path(line.split(":")[0]).name == "mistakes.py"}
    assert found == {*range(3, 1 + MISTAKES.count("\n"))}, errors


def test_pyright(tmp_path):
    if not shutil.which("pyright"):
        pytest.skip("pyright is not installed")
    shutil.copy(SCRIPT, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(PACKAGE.parent)]}))
    command = ["pyright", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_script_runs(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, SCRIPT], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.safetensors").exists()
    assert done.stdout.startswith("1 ")


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").exists()
