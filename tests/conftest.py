"""What tests share: Python processes of their own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PACKAGE = Path(importlib.util.find_spec("fastbp").origin).parent
TESTS = Path(__file__).parent


def run(code: str, env: dict[str, str] | None = None, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh process; fail, and show its stderr, unless it ends with exit status 0 in time.

    It can import the fastbp under test and the test modules, and has the same kernel cache unless `env` says otherwise.
    """
    # Where other programs want the cores too, OpenMP's threads that spin at a barrier cost milliseconds a step.
    environment = {"OMP_WAIT_POLICY": "passive", **os.environ, **path(PACKAGE.parent), **(env or {})}
    process = subprocess.Popen(
        [sys.executable, "-P", "-X", "faulthandler", "-c", textwrap.dedent(code)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that forked grandchildren, which hold the pipes open, can be ended with it
    )
    try:
        out, err = process.communicate(timeout=timeout)
        end = f"ended with status {process.returncode}"
    except subprocess.TimeoutExpired:
        _kill(process)
        out, err = process.communicate()
        end = f"did not end within {timeout:g} s"
    except BaseException:
        _kill(process)
        raise
    if process.returncode:
        pytest.fail(f"the process {end}\n{out}{err}", pytrace=False)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def path(directory: Path) -> dict[str, str]:
    """The environment that finds the packages of a directory, and the test modules."""
    return {"PYTHONPATH": os.pathsep.join((str(directory), str(TESTS)))}


def compilations() -> list:
    """A list that grows by each kernel that Numba compiles in this process from now on."""
    from numba.core import event

    class Listener(event.Listener):
        def on_start(self, event: event.Event) -> None:
            seen.append(event.data["dispatcher"])

        def on_end(self, event: event.Event) -> None:
            pass

    seen: list = []
    event.register("numba:compile", Listener())
    return seen


def _kill(process: subprocess.Popen[str]) -> None:
    """End a process and what it has forked."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


@pytest.fixture(params=["omp", "workqueue"])
def layer(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment that makes Numba use each of its thread pools."""
    if request.param == "omp":
        try:
            import numba.np.ufunc.omppool  # noqa: F401
        except ImportError as error:
            pytest.skip(f"Numba has no OpenMP here: {error}")
    return {"NUMBA_THREADING_LAYER": request.param}
