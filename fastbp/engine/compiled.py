"""Compilation: kernels by dtype and rule, cached on disk under a key that cannot be stale.

Numba's own cache looks at the file of the function alone: a kernel changed elsewhere, other flags or another
CPU would go unnoticed. The directory here is named by a digest of all of these. No cache file, whatever it
holds, can do more than cost the time to compile.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba import config, types
from numba.core import serialize
from numba.core.bytecode import FunctionIdentity
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys

from ..kernels import loop as loops
from . import threads

I = types.int64
DIGEST = hashlib.sha256().digest_size


NUMBERS = iter(lambda: secrets.randbits(62), None)
"""What tells functions of one name and type apart in the machine code, inner ones too; Numba's own count up in a
process. Closures that different processes had compiled then had one number, and where both came from the cache, the
linker took the first for the second: AdamW was trained as Nesterov. Drawn, they differ in forked children and threads
that compile side by side too."""

_FILES = sorted(Path(loops.__file__).parent.rglob("*.py"))
SOURCES = [(path.name, path.read_text(encoding="utf-8")) for path in _FILES]
"""As they are when they are imported: later, the files may be those of another version."""


def _digest() -> str:
    """Of all that the machine code depends on."""
    parts = [sys.version, numba.__version__, llvmlite.__version__, np.__version__]
    parts += [str(config.CPU_NAME or llvmlite.binding.get_host_cpu_name()), str(config.CPU_FEATURES)]
    parts += [llvmlite.binding.get_host_cpu_features().flatten()]
    parts += [
        str(getattr(config, name))
        for name in ("OPT", "BOUNDSCHECK", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT", "ENABLE_AVX")
    ]
    for source in SOURCES:
        parts += source
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _homes() -> list[Path]:
    """Where a cache may lie, best first."""
    if config.CACHE_DIR:
        return [Path(config.CACHE_DIR)]
    system = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    homes = [Path(system)] if system else []
    with contextlib.suppress(RuntimeError):  # no home directory
        homes.append(Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    return [home / "fastbp" for home in homes] + [Path(__file__).parent / "__pycache__"]


@functools.cache
def cache_directory() -> Path | None:
    """The first place that can be written, or None: then every process compiles for itself."""
    if not SOURCES or not hasattr(FunctionIdentity, "_unique_ids"):
        return None  # in a zip file, nothing tells one version from another; or a Numba that names functions otherwise
    digest = _digest()
    for home in _homes():
        directory = home / digest
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                return directory
        except OSError:
            continue
    return None


class _Cache:
    """What a Numba dispatcher asks of a cache, with one file for its one signature.

    Numba's own keeps an index beside it that does not heal when damaged, and believes what it reads: machine code with
    one wrong bit ended the process in 5 of 12 trials. Here a digest stands before the code, and a file that is not
    whole is one that is not there.
    """

    def __init__(self, path: Path):
        self._path = path

    def load_overload(self, sig, target_context):
        """The compiled kernel, or None."""
        # The symbols that kernels are linked with. Numba's own caches load all that it can compile here, 0.24 s, which
        # the compiler does by itself if there is something to compile.
        rtsys.initialize(target_context)
        try:
            content = self._path.read_bytes()
            digest, data = content[:DIGEST], content[DIGEST:]
            if hashlib.sha256(data).digest() == digest:
                return CompileResult._rebuild(target_context, *pickle.loads(data))
        except Exception:  # no file, or one that another Numba wrote
            return None
        return None

    def save_overload(self, sig, result):
        """Write a compiled kernel: whole, or not at all."""
        with contextlib.suppress(Exception):  # no space, no right, or nothing that can be pickled
            data = serialize.dumps(result._reduce())
            partial = self._path.with_suffix(f".{os.getpid()}")
            try:
                partial.write_bytes(hashlib.sha256(data).digest() + data)
                partial.replace(self._path)
            finally:
                partial.unlink(missing_ok=True)


def _compile(name: str, dispatcher, signature: tuple) -> CompileResult:
    """Compile a kernel, or load it from the cache's file of that name, which alone tells one from another."""
    if config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set, and without a compiler there are no kernels: unset it")
    directory = cache_directory()
    if directory:
        dispatcher._cache = _Cache(directory / f"{name}.kernel")
    FunctionIdentity._unique_ids = NUMBERS
    dispatcher.compile(signature)
    return dispatcher.overloads[signature]


@functools.lru_cache(256)
def _tag(option: object, dtype: np.dtype) -> str:
    """What an argument of a factory of kernels adds to a kernel's name: objects of the upper floor have formulas."""
    if isinstance(option, str):
        return option
    return str(int(option)) if isinstance(option, bool) else option.digest(dtype)


_addresses: dict[str, int] = {}
_lock = threads.lock()


def _address(name: str, make: Callable, *signature) -> int:
    """Where the machine code of a kernel is. It is compiled once in a process, when it is first asked for."""
    if name not in _addresses:
        with _lock:
            if name not in _addresses:
                result = _compile(name, make(), signature)
                _addresses[name] = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    return _addresses[name]


def names() -> dict[int, str]:
    """The names of the kernels that this process has, by their addresses, for profiles."""
    return {address: name for name, address in _addresses.items()}


def kernel(factory: Callable, dtype: np.dtype, *options: object) -> int:
    """The address of the kernel `factory(dtype, *options)`, of an operation or of what follows one."""
    name = "-".join([factory.__name__, str(dtype), *(_tag(option, dtype) for option in options)])
    return _address(name, lambda: factory(dtype.type, *options), *(I,) * 7)


def of_any_dtype(kernel) -> int:
    """The address of an operation that is the same for every dtype."""
    return _address(kernel.py_func.__name__, lambda: kernel, *(I,) * 7)


@functools.cache
def loop(parallel: bool) -> Callable:
    """The loop over parts, with one thread or with many."""
    dispatcher = loops.loop(parallel)
    _compile("parallel" if parallel else "serial", dispatcher, (I,) * 3)
    dispatcher.disable_compile()
    return dispatcher
