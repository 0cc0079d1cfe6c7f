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
