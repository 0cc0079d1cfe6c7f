"""Kernels stay inside their buffers, and are right, for this CPU, for one with AVX2 and for one with SSE2 alone."""

import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import run

TESTS = Path(__file__).parent
TARGETS = {
    "host": {},
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
others = pytest.mark.parametrize(
    "target",
    [
        "host",
        *(
            pytest.param(
                name, marks=pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not x86")
            )
            for name in ("haswell", "generic")
        ),
    ],
)
posix = pytest.mark.skipif(sys.platform == "win32", reason="guard pages are made with mprotect")


@posix
@others
def test_guard_pages(target):
    """96 fits with every vector between two forbidden pages."""
    assert run("import guarded; guarded.main()", TARGETS[target]).stdout.split() == ["96"]


@posix
def test_guard_pages_do_guard():
    """One number too many, at either end, ends the process."""
    code = """
import numpy as np, guarded
from numba import njit
from fastbp.kernels import simd
@njit
def touch(x, out, i):
    simd.store(out, 0, simd.load(x, i))
x, out = guarded.guarded(64, np.float32, {at_end}), guarded.guarded(16, np.float32, True)
touch(x, out, 48)
print("inside", flush=True)
touch(x, out, {index})
"""
    for at_end, index in ((True, 64), (False, -16)):
        result = subprocess.run(
            [sys.executable, "-c", code.format(at_end=at_end, index=index)],
            capture_output=True,
            text=True,
            cwd=TESTS,
            check=False,
        )
        assert result.stdout.split() == ["inside"]
        assert result.returncode == -signal.SIGSEGV


@pytest.mark.parametrize("target", ["haswell", "generic"])
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not x86")
def test_kernels(target):
    """The tests of vectors, activations and layers, compiled for another target."""
    files = [str(TESTS / "kernels" / f"test_{name}.py") for name in ("simd", "activations", "layers")]
    options = ["-p", "no:cacheprovider", "-k", "not forward or float32", *files]
    code = f"import sys, pytest; sys.exit(pytest.main({options}))"
    assert " passed" in run(code, TARGETS[target]).stdout
