"""What tests of different parts share: processes of their own, samples, bits, and memory with guards.

Beside it, `reference.py` has the formulas in NumPy, `watched.py` what tests of callbacks share, `epochs.py` those of
what an epoch consists of, and `interrupted.py` those of checkpoints.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import itertools
import mmap
import os
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

if TYPE_CHECKING:
    import fastbp as fb  # which a test imports after this file, to see what that does

PACKAGE = Path(importlib.util.find_spec("fastbp").origin).parent
TESTS = Path(__file__).parent
ROOT = TESTS.parent


# --- processes --------------------------------------------------------------------------------------------------------


def python_path(directory: Path) -> dict[str, str]:
    """The environment that finds the packages of a directory, and the modules that tests share."""
    return {"PYTHONPATH": os.pathsep.join((str(directory), str(TESTS)))}


UNOPTIMIZED = {"NUMBA_OPT": "0", "NUMBA_NUM_THREADS": "1"}
"""The environment in which kernels take less time to compile, for tests with a cache of their own.

With one thread, no other process helps. Where two test processes share the cores, that costs more than it gains.
"""


class Warm(NamedTuple):
    """What a process that calls `predicted` leaves behind, in the environment UNOPTIMIZED."""

    directory: Path
    """The directory with the kernels, which nobody changes: the fixture `cache` is a copy."""
    digest: str
    compiled: int
    """How often Numba has compiled."""


def smallest(cache: Path, n: int = 1) -> list[Path]:
    """The smallest kernels of a cache, which are compiled soonest."""
    return sorted(cache.iterdir(), key=lambda file: file.stat().st_size)[:n]


# Where other programs want the cores too, OpenMP's threads that spin at a barrier cost milliseconds a step.
PATIENT = {"OMP_WAIT_POLICY": "passive"}


def run(code: str, env: dict[str, str] | None = None, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh process; fail, and show its stderr, unless it ends with exit status 0 in time.

    It can import the fastbp under test and what tests share, and has the same kernel cache unless `env` says otherwise.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-X", "faulthandler", "-c", textwrap.dedent(code)],
        env={**PATIENT, **os.environ, **python_path(PACKAGE.parent), **(env or {})},
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


def _kill(process: subprocess.Popen[str]) -> None:
    """End a process and what it has forked."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def in_child(work: Callable[[], str], seconds: int = 30) -> str:
    """What `work` returns in a forked child; it must return, and the child exit with 0."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(seconds)  # ends a child that waits for ever
        status = 1
        try:
            os.write(write, work().encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    status = os.waitpid(pid, 0)[1]
    assert status == 0, f"the child ended with wait status {status}"
    return answer


def interrupted(number: int, call: Callable[[], object]) -> KeyboardInterrupt | None:
    """Interrupt a call where a function of fastbp begins or ends, and return the interrupt.

    `number` says at which one of these places, counted from 1. The result is None if there are fewer.
    """
    places = itertools.count(1)

    def trace(frame: FrameType, event: str, argument: object) -> object:
        if not frame.f_code.co_filename.startswith(str(PACKAGE)):
            return None
        frame.f_trace_lines = False
        if event in ("call", "return") and next(places) == number:
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(None)
    return None


def run_function(
    function: Callable, *arguments: object, env: dict[str, str] | None = None, timeout: float = 90
) -> subprocess.CompletedProcess[str]:
    """Call a function of a test file in a fresh process; of its arguments, the `repr` is what arrives there."""
    code = f"import helpers; helpers.module({function.__code__.co_filename!r}).{function.__name__}(*{arguments!r})"
    return run(code, env, timeout)


def module(file: str) -> ModuleType:
    """A test file as a module, wherever it is."""
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # where pickle looks for its functions
    spec.loader.exec_module(made)
    return made


def compiling() -> None:
    """Print the digest of `predicted`, and how often Numba has compiled for it."""
    seen = compilations()
    print(predicted(), len(seen))


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


# --- samples ----------------------------------------------------------------------------------------------------------


def labelled(
    n: int = 103, n_in: int = 6, n_out: int = 3, seed: int = 0, kind: type = np.float64
) -> tuple[np.ndarray, np.ndarray]:
    """Normal inputs, and labels at random. By default 103 samples, a number that no batch size divides."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_in)).astype(kind), rng.integers(0, n_out, n)


def pixels(n: int, n_in: int = 784) -> tuple[np.ndarray, np.ndarray]:
    """Bytes at random, and ten labels."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, n_in), dtype=np.uint8), rng.integers(0, 10, n)


MAGICS = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx(array: np.ndarray, sizes: tuple[int, ...] | None = None) -> bytes:
    """An IDX file of a big-endian array, with other sizes in its header if asked for."""
    sizes = array.shape if sizes is None else sizes
    code = MAGICS[array.dtype.str.replace("|", "")]
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, code, len(sizes), *sizes) + array.tobytes()


def labels(*values: int) -> bytes:
    """An IDX file of these."""
    return idx(np.array(values, "u1"))


def images(n: int, shape: tuple[int, ...] = (28, 28)) -> np.ndarray:
    """Bytes at random."""
    return np.random.default_rng(n).integers(0, 256, (n, *shape), "u1")


any_pair = pytest.mark.filterwarnings("ignore:the loss .* is made for outputs")
"""The mark of tests that put losses and outputs together as no user should: a trainer warns of such pairs."""
any_scale = pytest.mark.filterwarnings("ignore:the (inputs|targets) (have|go from)")
"""The mark of tests with numbers that are far from 0 and 1: a trainer warns of such inputs and targets."""


# --- trainings --------------------------------------------------------------------------------------------------------


def pixel_trainer(seed: int = 0, n_threads: int | None = 2, sizes: tuple[int, ...] = (30, 40, 10)) -> fb.Trainer:
    """Of pixels, in minibatches of 100."""
    import fastbp as fb

    net = fb.MLP(sizes, output="softmax", scale=1 / 255, seed=seed)
    optimizer = fb.SGD(0.1, momentum=0.9)
    return fb.Trainer(net, loss="cross_entropy", optimizer=optimizer, batch_size=100, seed=seed, n_threads=n_threads)


def fitted(seed: int = 0, n_threads: int | None = 2) -> str:
    """The digest of the parameters after ten steps."""
    own = pixel_trainer(seed, n_threads)
    own.fit(*pixels(500, 30), epochs=2)
    return digest(own)


def predicted() -> str:
    """The digest of what a small network predicts. This takes eight kernels, and a training of it twice as many."""
    import fastbp as fb

    a = fb.MLP([3, 4, 2], activation="tanh", seed=0).predict(np.eye(3, dtype=np.float32), n_threads=1)
    return hashlib.sha256(a.tobytes()).hexdigest()


# --- bits -------------------------------------------------------------------------------------------------------------


def parameters(of: fb.MLP | fb.Trainer) -> list[np.ndarray]:
    """Copies of all weights, then of all biases."""
    net = getattr(of, "network", of)
    return [None if array is None else array.copy() for array in (*net.weights, *net.biases)]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether arrays are equal, to the bit."""
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def digest(of: fb.MLP | fb.Trainer) -> str:
    """Of the bits of all parameters."""
    return hashlib.sha256(b"".join(array.tobytes() for array in parameters(of))).hexdigest()


# --- memory -----------------------------------------------------------------------------------------------------------

MEGA = 2**20
PAGE = mmap.PAGESIZE
_areas = []


def guarded(n: int, dtype: np.dtype, at_end: bool) -> np.ndarray:
    """A vector of n zeros whose last, or first, byte is next to a page that nobody may touch.

    A read or a write out of bounds ends the process.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    size = n * np.dtype(dtype).itemsize
    pages = -(-size // PAGE)
    area = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    for guard in (start, start + (pages + 1) * PAGE):
        if libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    _areas.append(area)
    offset = PAGE + (pages * PAGE - size if at_end else 0)
    return np.frombuffer(area, np.uint8, size, offset).view(dtype)


def guarded_copy(array: np.ndarray, at_end: bool) -> np.ndarray:
    """The same array in guarded memory."""
    out = guarded(array.size, array.dtype, at_end).reshape(array.shape)
    out[...] = array
    return out


def is_guarded(array: np.ndarray) -> bool:
    """Whether an array lies in memory with guards."""
    starts = (ctypes.addressof(ctypes.c_char.from_buffer(area)) for area in _areas)
    return any(0 <= array.ctypes.data - start < len(area) for start, area in zip(starts, _areas, strict=True))


def free_guards() -> None:
    """Give the guarded memory back whose arrays are gone. Each of them takes three of the 65,530 areas of a process."""
    _areas.clear()


# --- files ------------------------------------------------------------------------------------------------------------


def mutations(content: bytes, n: int, seed: int = 0) -> Iterator[bytes]:
    """Of a safetensors file: flipped bits, other bytes, cuts, extensions, pieces moved, other numbers in the header."""
    rng = np.random.default_rng(seed)
    size = 8 + int.from_bytes(content[:8], "little")
    for k in range(n):
        data = bytearray(content)
        kind = k % 6
        if kind == 0:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        elif kind == 1:
            start = rng.integers(len(data))
            data[start : start + 9] = rng.bytes(9)
        elif kind == 2:
            del data[rng.integers(len(data)) :]
        elif kind == 3:
            data += rng.bytes(rng.integers(1, 2000))
        elif kind == 4:
            a, b = sorted(rng.integers(0, len(data), 2))
            data[a:b] = data[b : b + (b - a)]
        else:
            digits = [i for i in range(8, size) if chr(data[i]).isdigit()]
            for i in rng.choice(digits, 3):
                data[i] = ord("0") + (data[i] - ord("0") + rng.integers(1, 10)) % 10
        yield bytes(data)
